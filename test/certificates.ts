import { X509Certificate } from "node:crypto"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import selfsigned from "selfsigned"

export interface Certificate {
  /** Paths of the PEM files. */
  readonly cert: string
  readonly key: string
  readonly fingerprint: string
}

/** Certificates that sign themselves, for 127.0.0.1, made on the spot; `remove` deletes their files. */
export const make = async <Name extends string>(
  names: ReadonlyArray<Name>,
  { days = 365 }: { readonly days?: number } = {}
) => {
  const folder = mkdtempSync(join(tmpdir(), "quorate-certificates-"))
  const made = await Promise.all(names.map(async (name): Promise<readonly [Name, Certificate]> => {
    const pems = await selfsigned.generate([{ name: "commonName", value: name }], {
      keyType: "ec",
      notAfterDate: new Date(Date.now() + days * 86_400_000),
      extensions: [
        { name: "basicConstraints", cA: true },
        { name: "subjectAltName", altNames: [{ type: 7, ip: "127.0.0.1" }] }
      ]
    })
    const [cert, key] = [join(folder, `${name}.cert.pem`), join(folder, `${name}.key.pem`)]
    writeFileSync(cert, pems.cert)
    writeFileSync(key, pems.private, { mode: 0o600 })
    return [name, { cert, key, fingerprint: new X509Certificate(pems.cert).fingerprint256 }]
  }))
  const certificates = new Map(made)
  return {
    folder,
    of: (name: Name): Certificate => {
      const found = certificates.get(name)
      if (found === undefined) throw new Error(`no certificate ${name}`)
      return found
    },
    remove: () => rmSync(folder, { recursive: true, force: true })
  }
}
