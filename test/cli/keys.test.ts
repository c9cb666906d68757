import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { quorate } from "./program.js"

const within = async (run: (file: string) => Promise<void>) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-keys-cli-"))
  try {
    await run(path.join(folder, "keys.json"))
  } finally {
    fs.rmSync(folder, { recursive: true })
  }
}

const keys = (file: string, ...args: ReadonlyArray<string>) => quorate(["keys", ...args, "--api-keys-file", file])

describe.concurrent("quorate keys", () => {
  it("makes a key that is shown once, lists it, and takes it away", () =>
    within(async (file) => {
      const added = await keys(file, "add", "laptop", "--agent-id", "alice", "--expires", "90d")
      assert.strictEqual(added.code, 0, added.stderr)
      const secret = added.stdout.trim()
      assert.strictEqual(added.stdout, `${secret}\n`)
      assert.match(secret, /^qk_[A-Za-z0-9_-]{43}$/)
      assert.match(added.stderr, /^laptop was added to .*: this is the only time that the key itself is shown\n$/)
      assert.strictEqual(fs.statSync(file).mode & 0o777, 0o600)
      const stored = fs.readFileSync(file, "utf8")
      assert.notInclude(stored, secret)
      assert.deepStrictEqual(fs.readdirSync(path.dirname(file)), ["keys.json"])

      const second = await keys(file, "add", "ci", "--scopes", "read", "--json")
      const made = JSON.parse(second.stdout)
      assert.match(made.key, /^qk_/)
      assert.deepStrictEqual({ ...made, key: "" }, {
        name: "ci",
        scopes: ["read"],
        agent_id: null,
        namespaces: null,
        expires_at: null,
        key: "",
        file
      })

      const listed = await keys(file, "list")
      assert.match(listed.stdout, /^laptop {2}read,write {2}for alice {2}until 20\S+\nci {2}read\n$/)
      for (const out of [listed.stdout, (await keys(file, "list", "--json")).stdout]) {
        assert.notInclude(out, secret)
        assert.notInclude(out, "sha256")
      }

      const revoked = await keys(file, "revoke", "laptop")
      assert.strictEqual(revoked.stdout, `laptop opens nothing any more: 1 key(s) left in ${file}\n`)
      assert.notInclude(fs.readFileSync(file, "utf8"), "laptop")
      const shown = await quorate(["config", "show", "--json", "--api-keys-file", file])
      assert.include(JSON.parse(shown.stdout)["api-keys-file"], { value: "<1 key(s)>" })
    }))

  it("says what is wrong, and changes nothing", () =>
    within(async (file) => {
      assert.strictEqual((await keys(file, "add", "one")).code, 0)
      const before = fs.readFileSync(file, "utf8")
      const wrong: ReadonlyArray<readonly [problem: RegExp, args: ReadonlyArray<string>]> = [
        [/there is a key one already: revoke it, or give another name/, ["add", "one"]],
        [/name: expected 1\.\.64 of the characters/, ["add", "a b"]],
        [/--scopes: expected some of read, write, admin, peer/, ["add", "two", "--scopes", "read,root"]],
        [/--agent-id: expected 1\.\.128/, ["add", "two", "--agent-id", "a b"]],
        [/--expires: expected days/, ["add", "two", "--expires", "soon"]],
        [/--expires: expected days/, ["add", "two", "--expires", "2020-01-01T00:00:00Z"]],
        [/there is no key two in /, ["revoke", "two"]],
        [/there is no flag --scope; did you mean --scopes\?/, ["add", "two", "--scope", "read"]]
      ]
      for (const [problem, args] of wrong) {
        const { code, stderr, stdout } = await keys(file, ...args)
        assert.strictEqual(code, 2, args.join(" "))
        assert.match(stderr, problem)
        assert.strictEqual(stdout, "")
        assert.strictEqual(stderr.trimEnd().split("\n").length, 1)
      }
      assert.strictEqual(fs.readFileSync(file, "utf8"), before)
      const nowhere = await quorate(["keys", "list"])
      assert.strictEqual(nowhere.code, 2)
      assert.match(nowhere.stderr, /the file of the keys is not known: give --api-keys-file/)
      const missing = await keys(`${file}.none`, "list")
      assert.strictEqual(missing.code, 2)
      assert.match(missing.stderr, /keys\.json\.none: it does not exist/)
    }))

  it("keeps who may read a file, follows a link to it, and gives way to another that changes it", () =>
    within(async (file) => {
      await keys(file, "add", "one")
      fs.chmodSync(file, 0o640)
      const link = path.join(path.dirname(file), "link.json")
      fs.symlinkSync(file, link)
      assert.strictEqual((await keys(link, "add", "two")).code, 0)
      assert.isTrue(fs.lstatSync(link).isSymbolicLink())
      assert.strictEqual(fs.statSync(file).mode & 0o777, 0o640)
      fs.writeFileSync(`${file}.new`, "")
      const { code, stderr } = await keys(file, "add", "three")
      assert.strictEqual(code, 2)
      assert.match(stderr, /keys\.json\.new: the keys are being changed; remove this file if nobody does/)
      assert.isTrue(fs.existsSync(`${file}.new`))
    }))

  it("are read by a node: a file of none is refused by its name", () =>
    within(async (file) => {
      fs.writeFileSync(file, "{\"keys\":[{}]}", { mode: 0o600 })
      const { code, stderr } = await quorate(["serve", "--port", "0", "--db", ":memory:", "--api-keys-file", file])
      assert.strictEqual(code, 2)
      assert.match(stderr, /flag --api-keys-file: file .*keys\.json: no list of API keys: keys\[0\]\.name is required/)
    }))
})
