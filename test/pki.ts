import * as x509 from "@peculiar/x509"
import { randomBytes, webcrypto } from "node:crypto"

/*
 * Certificates with any fault: what an authority should never issue.
 */

export interface Made {
  readonly certificate: x509.X509Certificate
  readonly pem: string
  readonly key: string
  readonly keys: webcrypto.CryptoKeyPair
}

export const P256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" }
const rsa = (modulusLength: number, hash: string) => ({
  name: "RSASSA-PKCS1-v1_5",
  hash,
  modulusLength,
  publicExponent: new Uint8Array([1, 0, 1])
})
export const RSA_1024 = rsa(1024, "SHA-256")
export const RSA_2048 = rsa(2048, "SHA-256")
export const RSA_SHA1 = rsa(2048, "SHA-1")

const DAY = 86_400_000

interface Wanted {
  readonly name?: string
  /** None: it signs itself. */
  readonly by?: Made
  /** How its issuer signs. */
  readonly signed?: typeof P256 | typeof RSA_SHA1
  readonly algorithm?: typeof P256 | typeof RSA_1024
  readonly isAuthority?: boolean
  readonly uris?: ReadonlyArray<string>
  readonly usages?: ReadonlyArray<x509.ExtendedKeyUsage>
  readonly days?: readonly [from: number, to: number]
}

export const CLIENT = [x509.ExtendedKeyUsage.clientAuth]
export const SERVER = [x509.ExtendedKeyUsage.serverAuth]

export const make = async (
  {
    algorithm = P256,
    by,
    days: [from, to] = [-1, 1],
    isAuthority = false,
    name = "node",
    signed = P256,
    uris = [],
    usages = isAuthority ? [] : [...CLIENT, ...SERVER]
  }: Wanted
): Promise<Made> => {
  const generated = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"])
  if (!("privateKey" in generated)) throw new Error("no pair of keys")
  const issuer = by?.certificate.subjectName ?? new x509.Name([{ CN: [name] }])
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: `40${randomBytes(8).toString("hex")}`,
    subject: [{ CN: [name] }],
    issuer,
    notBefore: new Date(Date.now() + from * DAY),
    notAfter: new Date(Date.now() + to * DAY),
    publicKey: generated.publicKey,
    signingKey: by?.keys.privateKey ?? generated.privateKey,
    signingAlgorithm: by === undefined ? algorithm : signed,
    extensions: [
      new x509.BasicConstraintsExtension(isAuthority, undefined, true),
      new x509.KeyUsagesExtension(
        isAuthority
          ? x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.digitalSignature
          : x509.KeyUsageFlags.digitalSignature,
        true
      ),
      new x509.SubjectAlternativeNameExtension([
        { type: "ip", value: "127.0.0.1" },
        ...uris.map((value) => ({ type: "url", value } as const))
      ]),
      ...(usages.length === 0 ? [] : [new x509.ExtendedKeyUsageExtension([...usages])])
    ]
  })
  return {
    certificate,
    keys: generated,
    pem: certificate.toString("pem"),
    key: x509.PemConverter.encode(
      await webcrypto.subtle.exportKey("pkcs8", generated.privateKey),
      x509.PemConverter.PrivateKeyTag
    )
  }
}

/** The same keys, to sign with another hash. */
export const rehashed = async ({ keys }: Made, hash: string): Promise<webcrypto.CryptoKeyPair> => {
  const privateKey = await webcrypto.subtle.importKey(
    "pkcs8",
    await webcrypto.subtle.exportKey("pkcs8", keys.privateKey),
    { name: "RSASSA-PKCS1-v1_5", hash },
    true,
    ["sign"]
  )
  return { ...keys, privateKey }
}

export const fingerprintOf = async ({ certificate }: Made): Promise<string> =>
  Buffer.from(await certificate.getThumbprint("SHA-256")).toString("hex")
