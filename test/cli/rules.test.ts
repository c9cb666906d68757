import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Sqlite from "../../src/store/log/Sqlite.js"
import { quorate } from "./program.js"

describe("quorate rules", () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-rules-cli-"))
  const db = path.join(folder, "memory.db")
  const key = path.join(folder, "operator.key")
  const rules = (...args: ReadonlyArray<string>) => quorate(["rules", ...args, "--db", db])
  const add = (...args: ReadonlyArray<string>) => rules("add", "--kind", "network_request", ...args)
  const matcher = ["--matcher", "{\"host\":\"evil.example.com\"}", "--reason", "blocked by operator"]

  beforeAll(async () => {
    await Effect.runPromise(Effect.void.pipe(Effect.provide(Sqlite.layerWriter({ file: db }))))
  })
  afterAll(() => fs.rmSync(folder, { recursive: true }))

  it("makes, shows, judges by and takes away rules, with the answers of the original", async () => {
    const made = await quorate(["rules", "keygen", "--out", key])
    assert.strictEqual(made.code, 0, made.stderr)
    assert.match(made.stdout, /^\{\n {2}"fingerprint": "[0-9a-f]{16}",\n {2}"path": .*,\n {2}"public_path": /)
    assert.lengthOf(fs.readFileSync(key), 32)
    assert.strictEqual(fs.statSync(key).mode & 0o777, 0o600)
    assert.match(fs.readFileSync(`${key}.pub`, "utf8"), /^[\w-]{43}$/)

    const sign = ["--sign", "--operator-key-file", key]
    const added = await add("--id", "R900", ...matcher, ...sign, "--json")
    assert.strictEqual(added.code, 0, added.stderr)
    assert.match(
      added.stdout,
      /^\{"result":\{"attest_level":"operator_signed","created_at":\d+,"created_by":"operator","enabled":true,"id":"R900","kind":"network_request","matcher":"\{\\"host\\":\\"evil.example.com\\"\}","namespace":"_global","reason":"blocked by operator","severity":"refuse","signature_b64":"[\w-]{86}"\},"verb":"rules.add"\}\n$/
    )
    assert.strictEqual((await add("--id", "W1", ...matcher, "--severity", "warn", "--disabled")).code, 0)
    const check = async (host: string) =>
      JSON.parse(
        (await rules("check", "--kind", "network_request", "--payload", JSON.stringify({ host, scheme: "https" })))
          .stdout
      )
    assert.deepStrictEqual(await check("evil.example.com"), {
      decision: "refuse",
      reason: "blocked by operator",
      rule_id: "R900"
    })
    assert.deepStrictEqual(await check("b.example"), { decision: "allow" })
    assert.strictEqual((await rules("disable", "--id", "R900", ...sign)).code, 0)
    assert.deepStrictEqual(await check("evil.example.com"), { decision: "allow" })
    assert.strictEqual((await rules("enable", "--id", "W1")).code, 0)
    assert.deepInclude(await check("evil.example.com"), { decision: "warn", rule_id: "W1" })
    assert.deepStrictEqual(JSON.parse((await rules("remove", "--id", "W1", "--json")).stdout), {
      verb: "rules.remove",
      result: { id: "W1", removed: true }
    })
    assert.deepStrictEqual(JSON.parse((await rules("remove", "--id", "W1", "--json")).stdout), {
      verb: "rules.remove",
      result: { id: "W1", removed: false }
    })
    const listed: ReadonlyArray<{ readonly id: string }> = JSON.parse((await rules("list")).stdout)
    assert.deepStrictEqual(listed.map(({ id }) => id), ["R900"])
  }, 60_000)

  it("needs the signature of the operator where nodes know his key, and says what is wrong", async () => {
    await quorate(["rules", "keygen", "--out", key, "--force"])
    await add("--id", "R900", ...matcher)
    const other = path.join(folder, "other.key")
    assert.strictEqual((await quorate(["rules", "keygen", "--out", other])).code, 0)
    const known = (...args: ReadonlyArray<string>) =>
      quorate(["rules", ...args, "--db", db], {
        environment: { AI_MEMORY_OPERATOR_PUBKEY: fs.readFileSync(`${other}.pub`, "utf8") }
      })
    const at = (host: string) => ["--kind", "network_request", "--matcher", JSON.stringify({ host }), "--reason", "r"]
    const wrong: ReadonlyArray<readonly [RegExp, ReturnType<typeof quorate>]> = [
      [/governance\.no_operator_key: rules disable requires --sign/, known("disable", "--id", "R900")],
      [/governance\.no_operator_key: rules add requires --sign/, known("add", "--id", "R2", ...at("b"))],
      [/this is not the key that nodes know/, known("remove", "--id", "R900", "--sign", "--operator-key-file", key)],
      [
        /governance\.no_operator_key: there is no .*none/,
        rules("remove", "--id", "R900", "--sign", "--operator-key-file", `${key}.none`)
      ],
      [/there is a key already: --force replaces it/, quorate(["rules", "keygen", "--out", key])],
      [/there is no rule R2/, rules("enable", "--id", "R2")],
      [/there is a rule R900 already/, rules("add", "--id", "R900", ...at("b"))],
      [
        /--matcher: expected the host of a URL.*as in \{"host":"b\.example"\}/,
        rules("add", "--id", "R2", ...at("B.example:9077"))
      ],
      [/--matcher: expected the host of a URL/, add("--id", "R2", "--matcher", "bad", "--reason", "r")],
      [/--id: expected 1\.\.128/, rules("add", "--id", "x".repeat(129), ...at("b"))],
      [/Expected one of the following cases: refuse/, rules("add", "--id", "R2", ...at("b"), "--severity", "sometimes")]
    ]
    for (const [problem, asked] of wrong) {
      const { code, stderr } = await asked
      assert.strictEqual(code, 2, stderr)
      assert.match(stderr, problem)
    }
    const signed = await known("disable", "--id", "R900", "--sign", "--operator-key-file", other)
    assert.strictEqual(signed.code, 0, signed.stderr)
    // What another one signed, or nobody, does not count.
    assert.strictEqual((await rules("enable", "--id", "R900")).code, 0)
    const judged = await known("check", "--kind", "network_request", "--payload", "{\"host\":\"evil.example.com\"}")
    assert.deepStrictEqual(JSON.parse(judged.stdout), { decision: "allow" })
  }, 60_000)
})
