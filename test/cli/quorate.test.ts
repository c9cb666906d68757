import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as net from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { version } from "../../src/domain/version.js"
import { type Ended, quorate } from "./program.js"

const root = fileURLToPath(new URL("../..", import.meta.url))

const refused = async (args: ReadonlyArray<string>, line: string, environment: Record<string, string> = {}) => {
  assert.deepStrictEqual(await quorate(args, { environment }), { code: 2, stdout: "", stderr: `quorate: ${line}\n` })
}

describe.concurrent("quorate", () => {
  it("--version is that of the package", async () => {
    const manifest: { readonly version: string } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"))
    assert.strictEqual(version, manifest.version)
    assert.deepStrictEqual(await quorate(["--version"]), { code: 0, stdout: `${version}\n\n`, stderr: "" })
  })

  it("--help names the commands, in plain text, and fits a screen", async () => {
    const { code, stderr, stdout } = await quorate(["--help"])
    assert.strictEqual(code, 0)
    assert.strictEqual(stderr, "")
    assert.match(stdout, /^ {2}serve +Serve one node/m)
    assert.match(stdout, /^ {2}identity +The keys by which nodes sign/m)
    assert.match(stdout, /^ {2}doctor +Look at a node/m)
    assert.notInclude(stdout, "\u001b")
    for (const line of stdout.split("\n")) assert.isAtMost(line.length, 80)
  })

  it("serve --help tells of every flag and its default", async () => {
    const { code, stdout } = await quorate(["serve", "--help"])
    assert.strictEqual(code, 0)
    assert.match(stdout, /^ {2}quorate serve \[flags\]$/m)
    assert.match(stdout, /^ {2}--port <port> +Port of the client listener; 0 takes any free\s+one\. Default: 9077\.$/m)
    for (
      const flag of ["host", "quorum-peers", "quorum-ca-cert", "mtls-allowlist", "insecure-bind", "log-level", "config"]
    ) {
      assert.include(stdout, `--${flag}`)
    }
  })

  it("--help of a command of a group names the whole command", async () => {
    assert.match((await quorate(["keys", "add", "--help"])).stdout, /^ {2}quorate keys add \[flags\] <name>$/m)
    assert.match((await quorate(["--db", "a.db", "config", "show", "--help"])).stdout, /^ {2}quorate config show /m)
    const { stdout } = await quorate(["identity", "-h"])
    assert.match(stdout, /^ {2}quorate identity <command>$/m)
    assert.match(stdout, /^ {2}export-pub +Print a public key/m)
  })

  it("config show prints each value and its source", async () => {
    const args = ["--db", "a.db", "config", "show", "--port", "9100", "--log-level=debug"]
    const { code, stderr, stdout } = await quorate(args, {
      environment: { QUORATE_NODE_ID: "n1", QUORATE_API_KEY: "secret-key", QUORATE_EXTRA: "x" }
    })
    assert.strictEqual(code, 0)
    const rows = new Map(
      stdout.trim().split("\n").map((line) => {
        const [name = "", ...rest] = line.split(/ {2,}/)
        return [name, rest]
      })
    )
    assert.deepStrictEqual(rows.get("db"), ["a.db", "flag --db"])
    assert.deepStrictEqual(rows.get("port"), ["9100", "flag --port"])
    assert.deepStrictEqual(rows.get("log-level"), ["debug", "flag --log-level"])
    assert.deepStrictEqual(rows.get("node-id"), ["n1", "environment QUORATE_NODE_ID"])
    assert.deepStrictEqual(rows.get("api-key-file"), ["<redacted>", "environment QUORATE_API_KEY"])
    assert.deepStrictEqual(rows.get("host"), ["127.0.0.1", "default"])
    assert.strictEqual(stderr, "quorate: environment QUORATE_EXTRA: no such setting, it is ignored\n")
    assert.notInclude(stdout, "secret-key")
  })

  it("config show --json is one object", async () => {
    const { code, stdout } = await quorate(["config", "show", "--json", "--quorum-peers", "http://b:1,http://c:1"])
    assert.strictEqual(code, 0)
    const shown = JSON.parse(stdout)
    assert.deepStrictEqual(shown["quorum-peers"], { value: "http://b:1,http://c:1", source: "flag --quorum-peers" })
    assert.deepStrictEqual(shown["quorum-writes"], { value: null, source: "default" })
  })

  it("the flag after the command wins over the one before it", async () => {
    const { stdout } = await quorate(["--db", "a.db", "config", "show", "--json", "--db", "b.db"])
    assert.strictEqual(JSON.parse(stdout).db.value, "b.db")
  })

  it("bad usage is one line and code 2", async () => {
    await refused(["serve", "--prot", "1"], "there is no flag --prot; did you mean --port? (see quorate --help)")
    await refused(["serv"], "there is no command serv; did you mean serve? (see quorate --help)")
  })

  it("a bad value is one line that names its source, and code 2", async () => {
    await refused(["serve", "--port", "x"], "flag --port: expected a whole number 0..65535, got \"x\"")
    const url = "tcp://10.0.0.1:9077"
    await refused(["serve"], `environment QUORATE_PORT: expected a whole number 0..65535, got "${url}"`, {
      QUORATE_PORT: url
    })
    await refused(["config", "show", "--config", "no.toml"], "flag --config: file no.toml does not exist")
    await refused(["serve", "--tls-cert", "x.pem"], "tls-cert is given without tls-key: both are needed")
    await refused(["serve"], "OTEL_EXPORTER_OTLP_ENDPOINT: expected an http or https URL, got \"x\"", {
      OTEL_EXPORTER_OTLP_ENDPOINT: "x"
    })
  })

  it("a bad federation is one line and code 2", async () => {
    const { code, stderr } = await quorate(["serve", "--port", "0", "--quorum-peers", "http://b:1,http://B:1/"])
    assert.strictEqual(code, 2)
    const lines = stderr.trim().split("\n").filter((line) => !line.startsWith("{"))
    assert.strictEqual(lines.length, 1)
    assert.match(lines[0] ?? "", /^quorate: .*--quorum-peers/)
  })

  it("refuses a host that others can reach", async () => {
    const { code, stderr } = await quorate(["serve", "--host", "0.0.0.0"])
    assert.strictEqual(code, 2)
    assert.match(stderr, /^quorate: host 0\.0\.0\.0 can be reached .*--insecure-bind\n$/)
  })

  it("a failure is one line and code 1; with --log-level debug its trace follows", async () => {
    const server = net.createServer().listen(0, "127.0.0.1")
    await new Promise((done) => server.on("listening", done))
    const address = server.address()
    const port = typeof address === "object" && address !== null ? String(address.port) : ""
    const args = ["serve", "--port", port, "--db", ":memory:"]
    const words = ({ stderr }: Ended) => stderr.trim().split("\n").filter((line) => !line.startsWith("{"))
    const quiet = await quorate(args)
    const loud = await quorate([...args, "--log-level", "debug"])
    server.close()
    assert.strictEqual(quiet.code, 1)
    assert.strictEqual(words(quiet).length, 1)
    assert.match(words(quiet)[0] ?? "", new RegExp(`^quorate: .*${port}`))
    assert.strictEqual(loud.code, 1)
    assert.isAbove(words(loud).length, 1)
  })

  it("a folder that is not there is named, and the database and what is beside it are its user's alone", async () => {
    const { code, stderr } = await quorate(["serve", "--port", "0", "--db", "none/such/node.db"])
    assert.strictEqual(code, 1)
    assert.match(stderr, /its folder \S*none\/such does not exist; make it/)
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-modes-"))
    try {
      let modes: ReadonlyArray<string> = []
      await quorate(["serve", "--port", "0", "--db", path.join(folder, "node.db")], {
        onLog: (text, child) => {
          if (!text.includes("quorate listening on")) return
          modes = fs.readdirSync(folder).map((name) =>
            `${name} ${(fs.statSync(path.join(folder, name)).mode & 0o777).toString(8)}`
          )
          child.kill("SIGTERM")
        }
      })
      assert.isAtLeast(modes.length, 4, modes.join())
      for (const mode of modes) assert.match(mode, / 600$/)
    } finally {
      fs.rmSync(folder, { recursive: true })
    }
  })

  it("a hangup ends no daemon, and has files read again", async () => {
    let hungUp = false
    const { code, stderr } = await quorate(["serve", "--port", "0", "--db", ":memory:"], {
      onLog: (text, child) => {
        if (!hungUp && text.includes("quorate listening on")) {
          hungUp = true
          child.kill("SIGHUP")
        }
        if (text.includes("SIGHUP: read again")) child.kill("SIGTERM")
      }
    })
    assert.strictEqual(code, 0)
    assert.include(stderr, "SIGHUP: read again: nothing: there is no TLS here")
  })

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    it(`${signal} ends a serving node with code 0, its logs on standard error alone`, async () => {
      let signalled = false
      const { code, stderr, stdout } = await quorate(["serve", "--port", "0"], {
        onLog: (text, child) => {
          if (signalled || !text.includes("listening")) return
          signalled = true
          child.kill(signal)
        }
      })
      assert.isTrue(signalled)
      assert.strictEqual(code, 0)
      assert.strictEqual(stdout, "")
      for (const line of stderr.trim().split("\n")) assert.isString(JSON.parse(line).message)
    })
  }
})
