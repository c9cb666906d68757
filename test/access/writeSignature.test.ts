import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"
import { type PublicKey, publicKeyOfText } from "../../src/access/ed25519.js"
import * as writeSignature from "../../src/access/writeSignature.js"

const fields = {
  fields: Schema.Struct({
    agent_id: Schema.String,
    namespace: Schema.String,
    title: Schema.String,
    kind: Schema.String,
    created_at: Schema.String,
    content: Schema.String
  }),
  cbor_hex: Schema.String,
  bound_pubkey_base64url: Schema.String
}
const Fixtures = Schema.Struct({
  write_signature: Schema.Struct({ ...fields, "metadata.write_signature": Schema.String }),
  write_signature_010: Schema.Struct({ ...fields, signature: Schema.String })
})
const { write_signature: former, write_signature_010: current } = Schema.decodeUnknownSync(Schema.parseJson(Fixtures))(
  readFileSync(new URL("../fixtures/identity.json", import.meta.url), "utf8")
)

const cases = [
  { form: "0.10", at: 0, ...current },
  { form: "0.7", at: 1, ...former, signature: former["metadata.write_signature"] }
] as const

type Case = (typeof cases)[number]

const signableOf = ({ fields: { agent_id: agentId, created_at: createdAt, ...rest } }: Case) => ({
  ...rest,
  agentId,
  createdAt
})
const keyOf = (one: Case): PublicKey => Option.getOrThrow(publicKeyOfText(one.bound_pubkey_base64url))
const bytesOf = (text: string): Buffer => {
  const bytes = writeSignature.parse(text)
  if (bytes === undefined) throw new Error(`no signature: ${text}`)
  return bytes
}

describe("the signature of an author", () => {
  for (const one of cases) {
    it(`has the bytes of ${one.form}`, () => {
      assert.strictEqual(writeSignature.bytesOf(signableOf(one))[one.at].toString("hex"), one.cbor_hex)
    })

    it(`is good in the form of ${one.form}`, () => {
      assert.isTrue(writeSignature.isSigned(keyOf(one), signableOf(one), bytesOf(one.signature)))
    })

    for (const field of ["agentId", "namespace", "title", "kind", "createdAt", "content"] as const) {
      it(`is none in the form of ${one.form} when one byte of ${field} is another`, () => {
        const write = signableOf(one)
        for (let at = 0; at < write[field].length; at++) {
          const altered = Array.from(write[field])
          altered[at] = altered[at] === "x" ? "y" : "x"
          const changed = { ...write, [field]: altered.join("") }
          assert.isFalse(writeSignature.isSigned(keyOf(one), changed, bytesOf(one.signature)), changed[field])
        }
      })
    }

    it(`is none in the form of ${one.form} when one byte of it is another`, () => {
      for (let at = 0; at < 64; at++) {
        const altered = Buffer.from(bytesOf(one.signature))
        altered[at] = (altered[at] ?? 0) ^ 1
        assert.isFalse(writeSignature.isSigned(keyOf(one), signableOf(one), altered), `byte ${at}`)
      }
    })
  }

  it("has one form of base64", () => {
    const text = current.signature
    assert.isDefined(writeSignature.parse(text))
    const spellings = [
      ...[text.replaceAll("=", ""), `${text}=`, ` ${text}`, `${text}\n`, `${text.slice(0, 40)}\n${text.slice(40)}`],
      ...[text.replaceAll("+", "-").replaceAll("/", "_"), "", "====", "AAAA", `AAAA${text}`, text.slice(4)],
      // The bits of the last letter that stand for nothing.
      text.replace(/Q==$/, "R==")
    ]
    for (const spelling of spellings) assert.isUndefined(writeSignature.parse(spelling), JSON.stringify(spelling))
  })
})
