import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"
import { publicKeyOfText, signerOf, verify } from "../../src/access/ed25519.js"
import * as rules from "../../src/access/rules.js"

const Fixtures = Schema.Struct({
  keys: Schema.Struct({
    issuer: Schema.Struct({ seed_hex: Schema.String }),
    subject: Schema.Struct({ seed_hex: Schema.String })
  }),
  governance: Schema.Struct({
    rule_canonical: Schema.String,
    rule_signature_hex: Schema.String,
    operator_pubkey_base64url: Schema.String
  })
})
const { governance, keys } = Schema.decodeUnknownSync(Schema.parseJson(Fixtures))(
  readFileSync(new URL("../fixtures/identity.json", import.meta.url), "utf8")
)
const operator = signerOf(Buffer.from(keys.issuer.seed_hex, "hex"))
const stranger = signerOf(Buffer.from(keys.subject.seed_hex, "hex"))
const key = publicKeyOfText(governance.operator_pubkey_base64url)

const rule: rules.Rule = {
  id: "R900",
  kind: "network_request",
  matcher: "{\"host\":\"evil.example.com\"}",
  severity: "refuse",
  reason: "blocked by operator",
  namespace: "_global",
  createdBy: "operator",
  createdAt: 1_780_000_000,
  enabled: true,
  signature: null,
  attestLevel: "unsigned"
}
const onHost = (host: string, more: Partial<rules.Rule> = {}) => ({
  ...rule,
  matcher: JSON.stringify({ host }),
  ...more
})

describe("a rule", () => {
  it("is signed as in the original, byte for byte", () => {
    assert.strictEqual(rules.signedText(rule), governance.rule_canonical)
    const signed = rules.signedBy(rule, operator)
    assert.strictEqual(signed.signature?.toString("hex"), governance.rule_signature_hex)
    assert.strictEqual(signed.attestLevel, "operator_signed")
    assert.isTrue(rules.counts(signed, key))
  })

  it("that the original's own command signed counts", () => {
    // Of `ai-memory rules add --sign` and `rules disable --sign`, 0.10.0, by the key that its `rules keygen` had made.
    const theirs = publicKeyOfText("F7N7pXztAeS3pphG_Lw21mtwn5RGCmIkIMigYfiSs8k")
    assert.isTrue(Option.isSome(theirs))
    const made: rules.Rule = { ...rule, createdBy: "host:vm", attestLevel: "operator_signed" }
    const signatures = [
      [true, "K0dGofd6u0AfTq4UOJZnVDg-XNyPUjZi1ga0bF7-IjOneETx5HFyJ9MJY_Q5tIGMWM1fKXmjrqTz2PISineWDw"],
      [false, "PxR9Q6DqO5hrRaoQlQgqoKFka_2no-2LvdPu2_mtSauikBp5qW7AOVtAA-_LVhG_Wajd-ofn8u64T5uAS274Dg"]
    ] as const
    for (const [enabled, signature] of signatures) {
      const each = { ...made, enabled, signature: Buffer.from(signature, "base64url") }
      assert.isTrue(verify(Option.getOrThrow(theirs), Buffer.from(rules.signedText(each)), each.signature))
      assert.strictEqual(rules.counts(each, theirs), enabled)
      assert.isFalse(rules.counts({ ...each, enabled: !enabled }, theirs))
    }
  })

  it("counts without a key when it is enabled, and with one when the operator signed it as it is", () => {
    assert.isTrue(rules.counts(rule, Option.none()))
    assert.isFalse(rules.counts({ ...rule, enabled: false }, Option.none()))
    const signed = rules.signedBy(rule, operator)
    const wrong: ReadonlyArray<Partial<rules.Rule>> = [
      { enabled: false },
      { signature: null },
      { attestLevel: "unsigned" },
      { matcher: "{\"host\":\"other.example.com\"}" },
      { severity: "warn" },
      { reason: "another" },
      { id: "R901" },
      { kind: "bash" },
      { namespace: "n" },
      { createdBy: "another" },
      { signature: Buffer.alloc(64) }
    ]
    for (const changed of wrong) assert.isFalse(rules.counts({ ...signed, ...changed }, key), JSON.stringify(changed))
    assert.isFalse(rules.counts(rules.signedBy(rule, stranger), key))
    assert.isFalse(rules.counts(rule, key))
    // When it was made is not signed.
    assert.isTrue(rules.counts({ ...signed, createdAt: 0 }, key))
  })

  it("matches the very host, and an address in every spelling", () => {
    const refuses = (named: string, host: string) => rules.judge([onHost(named)], host).decision === "refuse"
    assert.isTrue(refuses("evil.example.com", "evil.example.com"))
    for (const host of ["example.com", "evil.example.com.", "x.evil.example.com", "EVIL.example.com", ""]) {
      assert.isFalse(refuses("evil.example.com", host), host)
    }
    assert.isFalse(refuses("*", "evil.example.com"))
    for (const host of ["10.0.0.5", "[::ffff:10.0.0.5]", "[::ffff:a00:5]", "::ffff:10.0.0.5", "[64:ff9b::a00:5]"]) {
      assert.isTrue(refuses("10.0.0.5", host), host)
      assert.isTrue(refuses(host, "10.0.0.5"), host)
    }
    assert.isTrue(refuses("[fd00::1]", "fd00:0:0::1"))
    assert.isFalse(refuses("10.0.0.5", "10.0.0.6"))
    assert.isFalse(refuses("[::1]", "0.0.0.1"))
    for (const matcher of ["bad", "{}", "[]", "null", "{\"host\":1}", "\"evil.example.com\""]) {
      assert.strictEqual(rules.judge([{ ...rule, matcher }], "evil.example.com").decision, "allow", matcher)
    }
  })

  it("refuses before another one warns, the first by its id, whatever their order", () => {
    const at = "b"
    const all = [
      onHost(at, { id: "R3", severity: "refuse", reason: "third" }),
      onHost(at, { id: "R1", severity: "warn", reason: "first" }),
      onHost(at, { id: "R2", severity: "refuse", reason: "second" }),
      onHost(at, { id: "R0", severity: "log", reason: "none" }),
      onHost(at, { id: "Q0", severity: "sometimes", reason: "none" }),
      onHost(at, { id: "P0", kind: "bash" })
    ]
    assert.deepStrictEqual(rules.judge(all, at), { decision: "refuse", reason: "second", ruleId: "R2" })
    assert.deepStrictEqual(rules.judge(all.toReversed(), at), { decision: "refuse", reason: "second", ruleId: "R2" })
    const softer = all.filter(({ severity }) => severity !== "refuse")
    assert.deepStrictEqual(rules.judge(softer, at), { decision: "warn", reason: "first", ruleId: "R1" })
    assert.deepStrictEqual(rules.judge(softer.filter(({ severity }) => severity !== "warn"), at), { decision: "allow" })
    assert.deepStrictEqual(rules.judge(all, "elsewhere"), { decision: "allow" })
  })
})
