import { assert, describe, it } from "@effect/vitest"
import { secretIn, secretsOf } from "../../src/domain/secrets.js"

const mix = (length: number) => "aB3dE5gH7jK9mN1pQ3sT5vW7yZ0bC2eF4hJ6kL8nP0qR".slice(0, length)
const J = ["eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxMjM0NTY3ODkwIn0", "dozjgNryP4J3jVmNHl0w5N"] as const

/** What a node of the original 0.10.0 refused, with the kind that it named. */
const REFUSED: ReadonlyArray<readonly [kind: string, text: string]> = [
  ["openai_style_key", `sk-${mix(20)}`],
  ["openai_style_key", `key sk-${mix(32)}`],
  ["openai_style_key", `sk-ant-api03-${mix(40)}`],
  ["openai_style_key", `sk-proj-${mix(40)}`],
  ["openai_style_key", `sk-${mix(10)}/${mix(15)}`],
  ["openai_style_key", `task-${mix(40)}`],
  ["openai_style_key", "sk-learn-is-a-library-for-machine-learning"],
  ["github_token", `ghp_${mix(20)}`],
  ["github_token", `ghp_${mix(36)}`],
  ["github_token", `xghp_${mix(30)}`],
  ["github_token", `github_pat_${mix(20)}`],
  ["aws_access_key_id", "AKIAABCDEFGHIJKLMNOP"],
  ["aws_access_key_id", "AKIA0123456789012345"],
  ["aws_access_key_id", "xAKIAABCDEFGHIJKLMNOPabc"],
  ["bearer_token", `Authorization: Bearer ${mix(20)}`],
  ["bearer_token", "Bearer authenticationisaword20x"],
  ["jwt", J.join(".")],
  ["jwt", `${J[0]}.abcdefgh.${J[2]}`],
  ["jwt", `x${J.join(".")}`],
  ["pem_private_key", "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----"],
  ["pem_private_key", "-----BEGIN RSA PRIVATE KEY-----"],
  ["pem_private_key", "-----BEGIN OPENSSH PRIVATE KEY-----"]
]

/** What it took. */
const TAKEN: ReadonlyArray<string> = [
  "kubernetes is fine",
  `sk-${mix(19)}`,
  `sk-${mix(10)}_${mix(9)}`,
  `SK-${mix(30)}`,
  `sk_live_${mix(24)}`,
  `ghp_${mix(19)}`,
  `gho_${mix(36)}`,
  `github_pat_${mix(19)}`,
  "AKIAABCDEFGHIJKL",
  "AKIAABCDEFGHIJKLMNOa",
  "akiaabcdefghijklmnop",
  `Bearer ${mix(19)}`,
  `bearer ${mix(32)}`,
  `Bearer  ${mix(30)}`,
  `Bearer ${mix(10)}.${mix(10)}`,
  "the Bearer of this letter is a friend of mine, and he is to be trusted",
  `${J[0]}.${J[1]}`,
  `${J[0]}.${J[1]}.${mix(5)}`,
  "eyJ.a.b",
  "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----",
  "-----BEGIN PUBLIC KEY-----",
  "-----BEGIN PGP PRIVATE KEY BLOCK-----",
  "BEGIN PRIVATE KEY-----",
  "password=hunter2hunter2",
  `api_key: ${mix(32)}`,
  "deadbeef".repeat(8)
]

describe("texts that look like credentials", () => {
  it.each(REFUSED)("are found, as by the original: %s", (kind, text) => {
    assert.strictEqual(secretIn(text)?.kind, kind)
    assert.strictEqual(secretIn(`before ${text} after`)?.kind, kind)
  })

  it.each(TAKEN)("are not those that it takes: %s", (text) => {
    assert.isUndefined(secretIn(text))
  })

  it("are sure when they stand apart and look random, and then keys of this program, too", () => {
    const sure = [`sk-${mix(20)}`, `"ghp_${mix(36)}"`, J.join("."), "AKIAABCDEFGHIJKLMNOP", `qk_${mix(43)}`]
    for (const text of sure) assert.isTrue(secretIn(text)?.isSure, text)
    const unsure = [
      "a task-list-for-the-next-release-of-quorate",
      "risk-assessment-of-the-whole-project-2026",
      "sk-learn-is-a-library-for-machine-learning",
      `xAKIAABCDEFGHIJKLMNOP`
    ]
    for (const text of unsure) assert.isFalse(secretIn(text)?.isSure, text)
    // One that is sure counts before one that is not.
    assert.isTrue(secretIn(`task-list-for-the-next-release-of-us and sk-${mix(20)}`)?.isSure)
  })

  it("are looked for in every field that is a text of the memory", () => {
    const token = `ghp_${mix(36)}`
    const found = secretsOf({
      title: token,
      content: "c",
      namespace: token,
      tags: ["a", token],
      metadata: { deep: [{ deeper: `say ${token}` }] }
    })
    assert.deepStrictEqual(found.map(({ field }) => field), ["title", "tags", "metadata"])
    assert.deepStrictEqual(secretsOf({ metadata: { [token]: 1 } }).map(({ field }) => field), ["metadata"])
    for (const none of [null, "text", [], {}, { title: 1, content: null }]) assert.deepStrictEqual(secretsOf(none), [])
    let deep: unknown = token
    for (let level = 0; level < 10_000; level++) deep = [deep]
    assert.deepStrictEqual(secretsOf({ metadata: deep }), [])
  })

  it("take no longer to look for in texts that are made for it", () => {
    const began = performance.now()
    const hostile = [
      "sk-".repeat(20_000),
      "-----BEGIN ".repeat(6_000),
      "eyJaaaaa.".repeat(7_000),
      `sk-${"a".repeat(60_000)}`,
      "Bearer ".repeat(9_000)
    ]
    for (const text of hostile) secretIn(text)
    assert.isBelow(performance.now() - began, 2_000)
  })
})
