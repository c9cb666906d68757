import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as allowList from "../../src/access/allowList.js"
import * as namespaces from "../../src/domain/namespaces.js"

const read = (value: unknown) =>
  allowList.parse(JSON.stringify(value)).pipe(Either.map((list) => Object.fromEntries(list)))

describe("patterns of namespaces", () => {
  const rows: ReadonlyArray<[pattern: string, namespace: string, isAllowed: boolean]> = [
    ["*", "team", true],
    ["*", "team/a/b", true],
    ["**", "team/a/b", true],
    ["team/**", "team", true],
    ["team/**", "team/a", true],
    ["team/**", "team/a/b", true],
    ["team/**", "teams", false],
    ["team/**", "other/team", false],
    ["team/*", "team/a", true],
    ["team/*", "team", false],
    ["team/*", "team/", false],
    ["team/*", "team/a/b", false],
    ["team/*", "teams/a", false],
    ["*/notes", "a/notes", true],
    ["*/notes", "notes", false],
    ["*/notes", "/notes", false],
    ["*/notes", "a/b/notes", false],
    ["*/notes", "a/mynotes", false],
    ["team", "team", true],
    ["team", "team/a", false],
    ["team", "TEAM", false],
    ["te*m", "team", false],
    ["te*m", "te*m", true],
    ["team*", "team-a", false]
  ]
  it.each(rows)("%s and %s: %s", (pattern, namespace, isAllowed) => {
    assert.strictEqual(namespaces.allows([pattern], namespace), isAllowed)
  })

  it("are all together what somebody may see", () => {
    assert.isTrue(namespaces.allows(["team/*", "notes"], "notes"))
    assert.isFalse(namespaces.allows([], "notes"))
    assert.isTrue(namespaces.areAll(["notes", "**"]))
    assert.isFalse(namespaces.areAll(["*/*"]))
  })
})

describe("the list of peers", () => {
  it("has what it leaves out as nothing", () => {
    assert.deepStrictEqual(
      read({ a: {}, b: { allowed_namespaces: ["team/*"] }, c: { allowed_sender_agent_ids: ["d"] } }),
      Either.right({
        a: { senders: [], namespaces: [] },
        b: { senders: [], namespaces: ["team/*"] },
        c: { senders: ["d"], namespaces: [] }
      })
    )
  })

  const wrong: ReadonlyArray<[name: string, text: string]> = [
    ["nothing", ""],
    ["blanks", "  "],
    ["what is no JSON", "{"],
    ["no object", "[]"],
    ["nobody", "{}"],
    ["a row that is none", "{\"a\": 1}"],
    ["a slip in a key", "{\"a\": {\"allowed_namespace\": [\"team/*\"]}}"],
    ["a list that is none", "{\"a\": {\"allowed_namespaces\": \"team/*\"}}"],
    ["null for a list", "{\"a\": {\"allowed_namespaces\": null}}"],
    ["an empty pattern", "{\"a\": {\"allowed_namespaces\": [\"\"]}}"],
    ["a pattern with a blank", "{\"a\": {\"allowed_namespaces\": [\"team /*\"]}}"],
    [
      "too many patterns",
      JSON.stringify({ a: { allowed_namespaces: Array.from({ length: 257 }, (_, at) => `team/${at}`) } })
    ],
    ["too many peers", JSON.stringify(Object.fromEntries(Array.from({ length: 1_025 }, (_, at) => [`p${at}`, {}])))]
  ]
  it.each(wrong)("is refused with %s", (_, text) => {
    assert.isTrue(Either.isLeft(allowList.parse(text)))
  })
})

describe("the sender of a push", () => {
  const list = Either.getOrThrow(
    allowList.parse(JSON.stringify({ relay: { allowed_sender_agent_ids: ["ai:one"] }, other: {} }))
  )
  const rows: ReadonlyArray<[header: string | undefined, claimed: string, expected: "ok" | allowList.Mismatch]> = [
    [undefined, "ai:one", "peer_id_header_missing"],
    ["", "ai:one", "peer_id_header_missing"],
    ["  ", "", "peer_id_header_missing"],
    ["relay", "", "ok"],
    ["relay", " ", "ok"],
    ["relay", "relay", "ok"],
    [" relay ", "relay", "ok"],
    ["stranger", "stranger", "ok"],
    ["relay", "ai:one", "ok"],
    [" relay ", "ai:one", "ok"],
    ["relay", "ai:two", "sender_agent_id_mismatch"],
    ["relay", "AI:ONE", "sender_agent_id_mismatch"],
    ["other", "ai:one", "sender_agent_id_mismatch"],
    ["stranger", "ai:one", "sender_agent_id_mismatch"]
  ]
  it.each(rows)("%s, %s: %s", (header, claimed, expected) => {
    const checked = allowList.checkSender(list, { header, claimed })
    assert.strictEqual(Either.match(checked, { onLeft: (tag) => tag, onRight: () => "ok" }), expected)
  })
})

describe("the namespaces of a peer", () => {
  const list = Either.getOrThrow(
    allowList.parse(JSON.stringify({ a: { allowed_namespaces: ["team/*"] }, b: {} }))
  )
  const of = (peer: string | undefined, areOthersTrusted: boolean) =>
    allowList.namespacesOf(list, peer, { areOthersTrusted })

  it("are those of its row, whoever else is trusted", () => {
    assert.deepStrictEqual(of("a", false), ["team/*"])
    assert.deepStrictEqual(of(" a ", true), ["team/*"])
    assert.deepStrictEqual(of("b", true), [])
  })

  it("are none without a row, or all where those are trusted", () => {
    assert.deepStrictEqual(of("c", false), [])
    assert.deepStrictEqual(of(undefined, false), [])
    assert.deepStrictEqual(of("c", true), ["*"])
    assert.deepStrictEqual(allowList.namespacesOf(allowList.nobody, "a", { areOthersTrusted: false }), [])
  })
})
