import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { quorate } from "./program.js"

const within = async (run: (folder: string) => Promise<void>) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-identity-cli-"))
  try {
    await run(folder)
  } finally {
    fs.rmSync(folder, { recursive: true })
  }
}

const identity = (folder: string, ...args: ReadonlyArray<string>) => quorate(["identity", ...args, "--key-dir", folder])

describe.concurrent("quorate identity", () => {
  it("makes a key in the files of the original, and enrols it elsewhere", () =>
    within(async (root) => {
      const [here, there] = [path.join(root, "here"), path.join(root, "there")]
      const made = await identity(here, "generate", "--agent-id", "region/nyc/node-1")
      assert.strictEqual(made.code, 0, made.stderr)
      const [, key] =
        /^generated keypair for region\/nyc\/node-1\n {2}key_dir = .*\n {2}pub_b64 = (\S{43})\n$/.exec(made.stdout) ??
          []
      assert.isDefined(key)
      const file = path.join(here, "region/nyc/node-1")
      assert.strictEqual(fs.readFileSync(`${file}.pub`).toString("base64url"), key)
      assert.lengthOf(fs.readFileSync(`${file}.priv`), 32)
      assert.strictEqual(fs.statSync(`${file}.priv`).mode & 0o777, 0o600)

      const exported = await identity(here, "export-pub", "--agent-id", "region/nyc/node-1")
      assert.strictEqual(exported.stdout, `${key}\n`)
      const carried = path.join(root, "carried")
      fs.writeFileSync(carried, exported.stdout)
      for (const pub of [carried, `${file}.pub`]) {
        const enrolled = await identity(there, "import", "--agent-id", "node-1", "--pub", pub, "--force")
        assert.strictEqual(enrolled.stdout, "imported keypair for node-1 (private=no)\n", enrolled.stderr)
      }
      assert.isFalse(fs.existsSync(path.join(there, "node-1.priv")))
      assert.strictEqual((await identity(there, "list")).stdout, `node-1  ${key}\n1 keypair(s) in ${there}\n`)
      assert.deepStrictEqual(JSON.parse((await identity(there, "list", "--json")).stdout), {
        count: 1,
        key_dir: there,
        keys: [{ agent_id: "node-1", public_key_b64: key }]
      })
    }))

  it("says what is wrong, and changes nothing", () =>
    within(async (folder) => {
      assert.strictEqual((await identity(folder, "generate", "--agent-id", "one")).code, 0)
      const before = fs.readFileSync(path.join(folder, "one.pub"))
      const zero = path.join(folder, "zero")
      fs.writeFileSync(zero, Buffer.alloc(32))
      const wrong: ReadonlyArray<readonly [problem: RegExp, args: ReadonlyArray<string>]> = [
        [/there is a key of this id already: --force replaces it/, ["generate", "--agent-id", "one"]],
        [/--agent-id: expected 1\.\.128/, ["generate", "--agent-id", "../one"]],
        [/--agent-id: expected 1\.\.128/, ["generate", "--agent-id", "/one"]],
        [/zero: this is no public key of Ed25519/, ["import", "--agent-id", "two", "--pub", zero]],
        [/daemon is an id that no other node may have/, ["import", "--agent-id", "daemon", "--pub", zero]],
        [/zero\.none: it does not exist/, ["import", "--agent-id", "two", "--pub", `${zero}.none`]],
        [/there is no key of two in /, ["export-pub", "--agent-id", "two"]]
      ]
      for (const [problem, args] of wrong) {
        const { code, stderr, stdout } = await identity(folder, ...args)
        assert.strictEqual(code, 2, `${args.join(" ")} ${stdout}`)
        assert.match(stderr, problem)
      }
      assert.deepStrictEqual(fs.readFileSync(path.join(folder, "one.pub")), before)
      fs.chmodSync(path.join(folder, "one.priv"), 0o644)
      assert.match((await identity(folder, "list")).stderr, /one\.priv: others can read it/)
      fs.chmodSync(path.join(folder, "one.priv"), 0o600)
      fs.chmodSync(folder, 0o777)
      assert.match((await identity(folder, "list")).stderr, /others can write into it/)
    }))
})
