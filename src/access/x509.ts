import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { randomBytes, webcrypto } from "node:crypto"
import { isIP } from "node:net"

/*
 * Certificates of TLS: an authority, and what it issues to nodes. Keys are of P-256, signatures of SHA-256.
 */

/** A certificate could not be made. */
export class NotIssued extends Data.TaggedError("NotIssued")<{ readonly cause: unknown }> {
  override get message() {
    return `no certificate was made: ${this.cause instanceof Error ? this.cause.message : String(this.cause)}`
  }
}

/** Both in PEM. */
export interface Pair {
  readonly certificate: string
  readonly key: string
}

/** From when on it is good, and until when, in milliseconds since 1970. */
interface Times {
  readonly notBefore: number
  readonly notAfter: number
}

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" }
const SERIAL_BYTES = 16
/** RFC 5280, upper bounds. */
const MAX_NAME_CHARS = 64

/** What makes them is no part of the daemon: it is loaded where it is used. */
const load = () => import("@peculiar/x509")

/** An authority that signs itself, and issues to nodes alone. */
export const makeAuthority = (
  { name, notAfter, notBefore }: Times & { readonly name: string }
): Effect.Effect<Pair, NotIssued> =>
  attempt(async () => {
    const x509 = await load()
    const keys = await generate()
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      keys,
      ...serialAndTimes({ notBefore, notAfter }),
      name: nameOf(name),
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey)
      ]
    })
    return { certificate: certificate.toString("pem"), key: await printed(keys.privateKey) }
  })

interface Wanted extends Times {
  readonly nodeId: string
  readonly trustDomain: string
  /** Names and addresses under which the node is reached. */
  readonly hosts: ReadonlyArray<string>
}

/** A certificate of a node with a new key, for what it serves and for what it asks of others. */
export const issue = (
  authority: Pair,
  wanted: Wanted
): Effect.Effect<Pair & { readonly fingerprint: string }, NotIssued> =>
  attempt(async () => {
    const x509 = await load()
    const keys = await generate()
    const issuer = new x509.X509Certificate(authority.certificate)
    const signingKey = await webcrypto.subtle.importKey(
      "pkcs8",
      x509.PemConverter.decodeFirst(authority.key),
      ALGORITHM,
      true,
      ["sign"]
    )
    const certificate = await x509.X509CertificateGenerator.create({
      ...serialAndTimes(wanted),
      subject: nameOf(wanted.nodeId),
      issuer: issuer.subjectName,
      publicKey: keys.publicKey,
      signingKey,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
        new x509.SubjectAlternativeNameExtension([
          { type: "url", value: `spiffe://${wanted.trustDomain}/${wanted.nodeId}` },
          ...wanted.hosts.map((host) => ({ type: isIP(host) === 0 ? "dns" : "ip", value: host } as const))
        ]),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
        await x509.AuthorityKeyIdentifierExtension.create(await issuer.publicKey.export())
      ]
    })
    return {
      certificate: certificate.toString("pem"),
      key: await printed(keys.privateKey),
      fingerprint: Buffer.from(await certificate.getThumbprint("SHA-256")).toString("hex")
    }
  })

const nameOf = (name: string) => [{ CN: [name.slice(0, MAX_NAME_CHARS)] }]

/** The first bit of a serial number is its sign, and the first byte must not be 0. */
const serialAndTimes = ({ notAfter, notBefore }: Times) => {
  const serial = randomBytes(SERIAL_BYTES)
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40
  return { serialNumber: serial.toString("hex"), notBefore: new Date(notBefore), notAfter: new Date(notAfter) }
}

const generate = () => webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"])

const printed = async (key: webcrypto.CryptoKey): Promise<string> => {
  const { PemConverter } = await load()
  return PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", key), PemConverter.PrivateKeyTag)
}

const attempt = <A>(make: () => Promise<A>): Effect.Effect<A, NotIssued> =>
  Effect.tryPromise({ try: make, catch: (cause) => new NotIssued({ cause }) })
