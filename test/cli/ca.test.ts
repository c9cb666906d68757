import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { X509Certificate } from "node:crypto"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as credential from "../../src/access/credential.js"
import { publicKeyOf } from "../../src/access/ed25519.js"
import * as revocation from "../../src/access/revocation.js"
import { isRecord } from "../mesh/Cluster.js"
import { quorate } from "./program.js"

const within = async (run: (at: (...parts: ReadonlyArray<string>) => string) => Promise<void>) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-ca-cli-"))
  try {
    await run((...parts) => path.join(folder, ...parts))
  } finally {
    fs.rmSync(folder, { recursive: true })
  }
}

const done = async (...args: ReadonlyArray<string>) => {
  const { code, stderr, stdout } = await quorate(["ca", ...args])
  assert.strictEqual(code, 0, stderr)
  return stdout
}

/** All files below, by their names, with what is in them. */
const filesIn = (folder: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    fs.readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) => {
      const file = path.join(entry.parentPath, entry.name)
      return entry.isFile() ? [[path.relative(folder, file), fs.readFileSync(file).toString("base64")] as const] : []
    })
  )

const bundleAt = (file: string) => ({
  domain: "fleet.example",
  anchors: new Map([["root", Option.getOrThrow(publicKeyOf(fs.readFileSync(file)))]])
})

/** The program says each of these problems, and exits as one does that was called in a wrong way. */
const allRefused = async (wrong: ReadonlyArray<readonly [problem: RegExp, args: ReadonlyArray<string>]>) => {
  for (const [problem, args] of wrong) {
    const { code, stderr, stdout } = await quorate(["ca", ...args])
    assert.match(stderr, problem)
    assert.strictEqual(code, 2, stderr)
    assert.strictEqual(stdout, "")
  }
}

// One process after the other: each of these tests starts many.
describe("quorate ca", () => {
  it("makes an authority and the folders of nodes, and leaves what is there as it is", () =>
    within(async (at) => {
      const init = ["init", "--ca-dir", at("ca"), "--trust-domain", "fleet.example"]
      assert.match(await done(...init), /^made the authority root of fleet\.example in /)
      const made = filesIn(at("ca"))
      assert.match(await done(...init), /^there is the authority root of fleet\.example in /)
      assert.deepStrictEqual(filesIn(at("ca")), made)

      const issue = [
        "issue",
        "--ca-dir",
        at("ca"),
        "--node-id",
        "region/one",
        "--hosts",
        "10.0.0.1,a.example",
        "--out",
        at("one")
      ]
      assert.match(await done(...issue), /^issued to region\/one in /)
      const given = filesIn(at("one"))
      assert.match(await done(...issue), /^region\/one has what it needs in .*: quorate ca renew gives it a later end/)
      assert.deepStrictEqual(filesIn(at("one")), given)
      for (
        const secret of [
          at("ca", "ca.key"),
          at("ca", "keys", "root.priv"),
          at("one", "tls.key"),
          at("one", "keys", "region/one.priv")
        ]
      ) {
        assert.strictEqual(fs.statSync(secret).mode & 0o777, 0o600, secret)
      }
      for (const folder of [at("ca"), at("one")]) assert.strictEqual(fs.statSync(folder).mode & 0o777, 0o700)

      const certificate = new X509Certificate(fs.readFileSync(at("one", "tls.pem")))
      assert.strictEqual(
        certificate.subjectAltName,
        "URI:spiffe://fleet.example/region/one, IP Address:10.0.0.1, DNS:a.example"
      )
      assert.isFalse(certificate.ca)
      assert.isTrue(certificate.verify(new X509Certificate(fs.readFileSync(at("ca", "ca.pem"))).publicKey))
      assert.isTrue(new X509Certificate(fs.readFileSync(at("one", "ca.pem"))).ca)
      const said = Either.getOrThrow(credential.parse(fs.readFileSync(at("one", "credential"), "utf8").trim()))
      const now = Math.floor(Date.now() / 1_000)
      assert.isTrue(Either.isRight(credential.check(said, bundleAt(at("one", "trust", "root.pub")), now)))
      assert.strictEqual(said.claims.subjectId, "region/one")
      assert.deepStrictEqual(Buffer.from(said.claims.subjectKey), fs.readFileSync(at("one", "keys", "region/one.pub")))
    }))

  it("renews for the same key, and revokes all that was issued for it", () =>
    within(async (at) => {
      await done("init", "--ca-dir", at("ca"), "--trust-domain", "fleet.example", "--name", "root")
      const issue = ["issue", "--ca-dir", at("ca"), "--node-id", "one", "--hosts", "localhost", "--out", at("one")]
      await done(...issue)
      const first = new X509Certificate(fs.readFileSync(at("one", "tls.pem")))
      const key = fs.readFileSync(at("one", "keys", "one.priv"))
      await done("renew", "--ca-dir", at("ca"), "--out", at("one"), "--expires", "200d")
      const second = new X509Certificate(fs.readFileSync(at("one", "tls.pem")))
      assert.isAbove(Date.parse(second.validTo), Date.parse(first.validTo))
      assert.strictEqual(second.subjectAltName, first.subjectAltName)
      assert.deepStrictEqual(fs.readFileSync(at("one", "keys", "one.priv")), key)

      const revoke = ["revoke", "--ca-dir", at("ca"), "--node-id", "one"]
      await done(...revoke, "--last-valid", "one/1=12", "--revocations-file", at("one", "revocations"))
      const before = fs.readFileSync(at("ca", "revocations"), "utf8")
      assert.match(await done(...revoke), /^one is revoked already/)
      assert.strictEqual(fs.readFileSync(at("ca", "revocations"), "utf8"), before)
      assert.strictEqual(fs.readFileSync(at("one", "revocations"), "utf8"), before)
      const [line = ""] = revocation.linesOf(before)
      const read = Option.getOrThrow(revocation.read(line, bundleAt(at("ca", "keys", "root.pub"))))
      assert.strictEqual(read.nodeId, "one")
      assert.strictEqual(read.key, fs.readFileSync(at("one", "keys", "one.pub")).toString("hex"))
      assert.deepStrictEqual([...read.lastValid], [["one/1", 12]])
      assert.deepStrictEqual(
        read.certificates,
        [first, second].map(({ fingerprint256 }) => fingerprint256.replaceAll(":", "").toLowerCase())
      )

      const late = await quorate(["ca", "renew", "--ca-dir", at("ca"), "--out", at("one")])
      assert.match(late.stderr, /--out: the key in .* is revoked/)
      assert.match(await done(...issue), /^issued to one/)
      assert.notDeepEqual(fs.readFileSync(at("one", "keys", "one.priv")), key)
      const shown: unknown = JSON.parse(await done("show", "--ca-dir", at("ca"), "--json"))
      const issued = isRecord(shown) && Array.isArray(shown["issued"]) ? shown["issued"] : []
      assert.deepStrictEqual(issued.map((one) => isRecord(one) ? one["state"] : ""), ["revoked", "revoked", "good"])
      assert.notInclude(JSON.stringify(shown), "PRIVATE")
    }))

  it("says what is wrong with an authority by its flag, and changes nothing", () =>
    within(async (at) => {
      await done("init", "--ca-dir", at("ca"), "--trust-domain", "fleet.example")
      fs.mkdirSync(at("full"))
      fs.writeFileSync(at("full", "other"), "")
      const before = filesIn(at("ca"))
      await allRefused([
        [/--trust-domain: expected/, ["init", "--ca-dir", at("new"), "--trust-domain", "a b"]],
        [/--name: expected/, ["init", "--ca-dir", at("new"), "--trust-domain", "a", "--name", "a/b"]],
        [/--expires: expected/, ["init", "--ca-dir", at("new"), "--trust-domain", "a", "--expires", "0d"]],
        [/--ca-dir: .* is the authority root of fleet\.example already/, [
          "init",
          "--ca-dir",
          at("ca"),
          "--trust-domain",
          "other"
        ]],
        [/full: there are other things in this folder/, ["init", "--ca-dir", at("full"), "--trust-domain", "a"]],
        [/--ca-dir: there is no authority in/, ["show", "--ca-dir", at("new")]]
      ])
      assert.deepStrictEqual(filesIn(at("ca")), before)
      for (const name of ["new", "new.new", "full.new"]) assert.isFalse(fs.existsSync(at(name)), name)
    }))

  it("says what is wrong with a node by its flag, and changes nothing", () =>
    within(async (at) => {
      await done("init", "--ca-dir", at("ca"), "--trust-domain", "fleet.example")
      await done("issue", "--ca-dir", at("ca"), "--node-id", "one", "--hosts", "localhost", "--out", at("one"))
      const before = [filesIn(at("ca")), filesIn(at("one"))]
      const ca = ["--ca-dir", at("ca")]
      const issue = (id: string, hosts: string, folder: string) => [
        "issue",
        ...ca,
        "--node-id",
        id,
        "--hosts",
        hosts,
        "--out",
        at(folder)
      ]
      await allRefused([
        [/--node-id: daemon is an id that no node may have/, issue("daemon", "a", "two")],
        [/--hosts: expected/, issue("two", "a_b c", "two")],
        [/--expires: the authority itself ends before/, [...issue("two", "localhost", "two"), "--expires", "9000d"]],
        [/--node-id: one has a key that is good/, issue("one", "a", "two")],
        [/--out: .* is the folder of one/, issue("two", "a", "one")],
        [/--out: .* is no folder of a node/, ["renew", ...ca, "--out", at("two")]],
        [/--node-id: nothing was ever issued to two/, ["revoke", ...ca, "--node-id", "two"]],
        [/--last-valid: expected/, ["revoke", ...ca, "--node-id", "one", "--last-valid", "one"]]
      ])
      assert.deepStrictEqual([filesIn(at("ca")), filesIn(at("one"))], before)
      for (const name of ["two", "two.new"]) assert.isFalse(fs.existsSync(at(name)), name)

      fs.chmodSync(at("ca", "ca.key"), 0o644)
      assert.match((await quorate(["ca", ...issue("two", "localhost", "two")])).stderr, /ca\.key: others can read it/)
    }))
}, 60_000)
