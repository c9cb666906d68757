import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"
import * as Authors from "../../src/access/Authors.js"
import * as chain from "../../src/access/chain.js"
import * as credential from "../../src/access/credential.js"
import * as Credentials from "../../src/access/Credentials.js"
import { publicKeyOf, signerOf } from "../../src/access/ed25519.js"
import * as gate from "../../src/access/gate.js"
import * as nonces from "../../src/access/nonces.js"
import * as revocation from "../../src/access/revocation.js"
import * as Revocations from "../../src/access/Revocations.js"
import * as Trust from "../../src/access/Trust.js"
import * as trustBundle from "../../src/access/trustBundle.js"
import * as Vouched from "../../src/access/Vouched.js"

const Key = Schema.Struct({ seed_hex: Schema.String, public_hex: Schema.String })
const Made = Schema.Struct({
  claims: Schema.Struct({
    trust_domain: Schema.String,
    not_before: Schema.Int,
    not_after: Schema.Int,
    subject_agent_id: Schema.String,
    subject_pubkey: Schema.String,
    issuer_id: Schema.String
  }),
  claims_cbor_hex: Schema.String,
  signature_hex: Schema.String,
  wire_hex: Schema.String,
  header_value: Schema.String
})
const Fixtures = Schema.Struct({
  keys: Schema.Struct({ issuer: Key, subject: Key, intermediate: Key }),
  bundle: Schema.Struct({ files: Schema.Struct({ "root.pub": Schema.String }) }),
  leaf_direct: Made,
  intermediate_cert: Made,
  leaf_chained: Made,
  chain: Schema.Struct({ cbor_hex: Schema.String, header_value: Schema.String }),
  credential_cases: Schema.Array(Schema.Struct({
    name: Schema.String,
    now_unix: Schema.Int,
    bundle_domain: Schema.String,
    credential_header: Schema.String,
    chain_header: Schema.NullOr(Schema.String),
    expect: Schema.String
  })),
  malformed_credential_headers: Schema.Array(
    Schema.Struct({ name: Schema.String, value: Schema.String, expect: Schema.String })
  )
})
const fixtures = Schema.decodeUnknownSync(Schema.parseJson(Fixtures))(
  readFileSync(new URL("../fixtures/identity.json", import.meta.url), "utf8")
)

const hex = (text: string) => Buffer.from(text, "hex")
const root = Option.getOrThrow(signerOf(hex(fixtures.keys.issuer.seed_hex)))
const between = Option.getOrThrow(signerOf(hex(fixtures.keys.intermediate.seed_hex)))
const anchor = Option.getOrThrow(publicKeyOf(hex(fixtures.bundle.files["root.pub"])))
const bundleOf = (domain: string): trustBundle.TrustBundle => ({ domain, anchors: new Map([["root", anchor]]) })

const wordOf = (result: Either.Either<unknown, string>) =>
  Either.match(result, { onLeft: (problem) => problem, onRight: () => "ok" })

describe("credentials in the form of the original", () => {
  it.each([
    ["of a node by the root", fixtures.leaf_direct, root],
    ["of an issuer between", fixtures.intermediate_cert, root],
    ["of a node by that one", fixtures.leaf_chained, between]
  ])("are issued byte for byte: %s", (_, { claims, header_value }, signer) => {
    const header = credential.issue({
      subjectId: claims.subject_agent_id,
      subjectKey: hex(claims.subject_pubkey),
      trustDomain: claims.trust_domain,
      notBefore: claims.not_before,
      notAfter: claims.not_after
    }, { id: claims.issuer_id, signer })
    assert.strictEqual(header, header_value)
  })

  it("have a chain of the same bytes", () => {
    assert.strictEqual(chain.headerOf([hex(fixtures.intermediate_cert.wire_hex)]), fixtures.chain.header_value)
  })

  it.each(fixtures.credential_cases.map((one) => [one.name, one] as const))("are judged as there: %s", (_, one) => {
    const judged = Either.gen(function*() {
      const leaf = yield* credential.parse(one.credential_header)
      const links = one.chain_header === null ? [] : yield* chain.parse(one.chain_header)
      return yield* chain.verify(leaf, links, bundleOf(one.bundle_domain), one.now_unix)
    })
    assert.strictEqual(wordOf(judged), one.expect)
    if (Either.isRight(judged)) {
      assert.strictEqual(judged.right.raw.toString("hex"), fixtures.keys.subject.public_hex)
    }
  })

  it.each(fixtures.malformed_credential_headers.map((one) => [one.name, one] as const))(
    "are no more read than there: %s",
    (_, one) => {
      assert.strictEqual(wordOf(credential.parse(one.value)), one.expect)
    }
  )
})

describe("a key that is revoked", () => {
  const { subject } = fixtures.keys
  const signer = Option.getOrThrow(signerOf(hex(subject.seed_hex)))
  const revoked = (domain: string, by = root, lastValid = new Map([["a/1", 7]])) =>
    revocation.issue(
      { at: 1, certificates: ["ab".repeat(32)], key: subject.public_hex, lastValid, nodeId: "a", trustDomain: domain },
      { id: "root", signer: by }
    )
  const made = () => Revocations.make(() => bundleOf("fleet.example"))
  const message = { method: "POST", path: "/api/v1/sync/push", query: "", body: Buffer.from("{}") }
  const judged = (revocations: Revocations.Revocations, received: Partial<gate.Received>) =>
    Either.mapLeft(
      gate.judge({
        keys: {
          find: (id) => id === "a" ? { id, publicKey: signer.publicKey, signer: Option.none() } : undefined,
          isEnrolled: (id) => id === "a"
        },
        credentials: Credentials.make({ bundle: () => trustBundle.none, revocations, nowMillis: () => 0 }),
        revocations,
        nonces: nonces.make([]),
        levels: { signatures: "enrolled", areNoncesRequired: false, unsignedPull: new Set() },
        nowMillis: () => 0
      }, {
        ...message,
        ...{ peerId: "a", signature: undefined, nonce: undefined, credential: undefined, chain: undefined },
        ...received
      }),
      String
    )

  it("opens nothing though it is enrolled, and no other key of its node's is asked for", () => {
    const signature = `ed25519=${signer.sign(Buffer.from("{}")).toString("base64")}`
    const revocations = made()
    assert.isTrue(Either.isRight(judged(revocations, { signature })))
    assert.lengthOf(revocations.add([revoked("fleet.example")]), 1)
    assert.strictEqual(wordOf(judged(revocations, { signature })), "x_memory_sig_revoked_key")
    assert.strictEqual(wordOf(judged(revocations, {})), "x_memory_sig_revoked_key")
    assert.isTrue(Either.isRight(judged(revocations, { peerId: "b" })))
    assert.isTrue(revocations.isCertificate("AB:".repeat(31) + "AB"))
    assert.deepStrictEqual(
      ["a/1", "a/2"].map((origin) => revocations.lastValid(hex(subject.public_hex), origin)),
      [Option.some(7), Option.some(0)]
    )
  })

  it("counts for nothing of an origin that is not named, and is none of its node's any more", () => {
    const revocations = made()
    const enrolled: Authors.Authors = { ...Authors.none, keysOf: (id) => id === "a" ? [signer.publicKey] : [] }
    const authors = Trust.vouching(enrolled, { revocations, vouched: Vouched.make(() => trustBundle.none) })
    assert.deepStrictEqual(authors.keysOf("a"), [signer.publicKey])
    assert.deepStrictEqual(authors.lastOf(subject.public_hex, "a/1"), Option.none())
    assert.isFalse(authors.mustSeal("a"))
    revocations.add([revoked("fleet.example")])
    assert.deepStrictEqual(authors.keysOf("a"), [])
    assert.deepStrictEqual(
      ["a/1", "a/2", "a/99"].map((origin) => authors.lastOf(subject.public_hex, origin)),
      [Option.some(7), Option.some(0), Option.some(0)]
    )
    assert.isTrue(authors.mustSeal("a"))
  })

  it("is one by the word of an issuer of the domain alone", () => {
    const revocations = made()
    const altered = revoked("fleet.example").replace(/.{9}$/, "AAAAAAAA=")
    const cut = fixtures.leaf_direct.header_value
    for (
      const text of [revoked("other.example"), revoked("fleet.example", between), altered, cut, "", "v1=", "v1=AQID"]
    ) {
      assert.deepStrictEqual(revocations.add([text]), [])
    }
    assert.isFalse(revocations.isOfNode("a"))
  })
})
