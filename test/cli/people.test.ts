import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as http from "node:http"
import * as os from "node:os"
import * as path from "node:path"
import { made } from "../access/made.js"
import { type Node, start } from "../http/node.js"
import * as api from "../mesh/api.js"
import * as Cluster from "../mesh/Cluster.js"
import { type Ended, quorate } from "./program.js"

/* What people do with a daemon, by the built program and a real one. Each command, its output and its code. */

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-people-"))
afterAll(() => fs.rmSync(folder, { recursive: true }))

const file = (name: string, content: string, mode = 0o644): string => {
  const place = path.join(folder, name)
  fs.writeFileSync(place, content, { mode })
  return place
}

const succeeds = ({ code, stderr, stdout }: Ended): string => {
  assert.strictEqual(code, 0, stderr)
  assert.strictEqual(stderr, "")
  return stdout
}

/** Fails with this code and this one line. */
const fails = ({ code, stderr, stdout }: Ended, expected: number, text: string) => {
  assert.include(stderr, text)
  assert.strictEqual(stderr.trimEnd().split("\n").length, 1, stderr)
  assert.deepStrictEqual({ code, stdout }, { code: expected, stdout: "" })
}

const UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

describe("the commands for people", () => {
  let node: Node
  beforeAll(async () => {
    node = await start({})
  })
  afterAll(() => node.stop())

  const run = (...args: ReadonlyArray<string>) => quorate(args, { environment: { QUORATE_URL: node.url } })
  const text = async (...args: ReadonlyArray<string>) => succeeds(await run(...args))
  const object = async (...args: ReadonlyArray<string>) => api.record(JSON.parse(await text(...args, "--json")))
  const stored = async (...args: ReadonlyArray<string>) => String((await object("store", ...args))["id"])

  it("store takes words, a file and standard input, and makes titles that are free", async () => {
    const words = await text("store", "We deploy", "on Tuesdays.", "--namespace", "words", "--tags", "ops, deploy")
    const [, id = ""] = new RegExp(`^stored (${UUID}) "We deploy on Tuesdays\\." \\(on 1 node\\)\n`).exec(words) ?? []
    assert.match(words, /\nforgotten after .*--tier long keeps it\n$/)
    assert.deepInclude(await object("get", id), { content: "We deploy on Tuesdays.", tags: ["ops", "deploy"] })
    assert.include(
      await text("store", "We deploy on Tuesdays.", "--namespace", "words"),
      `"We deploy on Tuesdays. (2)"`
    )

    const markdown = file("note.md", "\n## How to release\n\nPush a tag.\n")
    assert.match(await text("store", "--file", markdown, "--tier", "long"), /"How to release" \(on 1 node\)\n$/)
    const piped = succeeds(
      await quorate(["store", "--title", "Piped", "--json"], {
        environment: { QUORATE_URL: node.url },
        input: "ünïcode through a pipe\n"
      })
    )
    assert.deepInclude(JSON.parse(piped), { title: "Piped", content: "ünïcode through a pipe\n" })
    fails(await run("store", "again", "--title", "Piped"), 1, "a memory with this title already exists")
  })

  it("store refuses what is no text, or too long, and says which field is wrong", async () => {
    fails(await run("store", "x", "--file", file("a.txt", "a")), 2, "the text is given twice")
    fails(await run("store", "--file", path.join(folder, "none")), 2, "ENOENT")
    fails(await run("store", "--file", file("long.txt", "x".repeat(100_000))), 2, "quorate import takes more")
    fs.writeFileSync(path.join(folder, "bytes"), Buffer.of(0xff, 0xfe, 0x00))
    fails(await run("store", "--file", path.join(folder, "bytes")), 2, "not valid for encoding utf-8")
    fails(await run("store", "x", "--tier", "eternal"), 1, "tier")
    fails(await run("store", "x", "--priority", "11"), 1, "priority")
  })

  it("recall answers with scores and texts, search and list with tables of 80 columns", async () => {
    const long = "A title of many words that no table of eighty columns has the room to show in full, 漢字 included"
    const id = await stored("The heron stands in the reeds at dawn.", "--title", long, "--namespace", "birds")
    const recalled = await text("recall", "where", "is", "the", "heron", "--namespace", "birds")
    assert.match(recalled, /^[01]\.\d{3} {2}A title of many words/)
    for (const part of [`${id.slice(0, 8)} · birds`, "The heron stands in the reeds", "evidence "]) {
      assert.include(recalled, part)
    }
    assert.strictEqual(await text("recall", "zzzz", "--abstain-below", "0.9"), "nothing fits\n")

    for (
      const table of [await text("list", "--namespace", "birds"), await text("search", "heron", "--namespace", "birds")]
    ) {
      const [head = "", row = ""] = table.split("\n")
      assert.match(head, /^ID {8}TITLE +NAMESPACE +TIER +CHANGED$/)
      assert.match(row, new RegExp(`^${id.slice(0, 8)}  A title.*… +birds +mid +\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d$`))
      for (const line of table.split("\n")) assert.isAtMost(line.length, 80, line)
    }
    assert.strictEqual(await text("list", "--namespace", "empty"), "there are none\n")
    assert.strictEqual(await text("search", "heron", "--namespace", "empty"), "nothing has these words\n")
    assert.lengthOf(Object((await object("list", "--namespace", "birds"))["memories"]), 1)
  })

  it("get shows a memory by the beginning of its id, and gives a terminal no orders", async () => {
    const evil = "clear and \u202egnp.exe"
    const id = await stored(evil, "--title", "Evil", "--namespace", "evil")
    const shown = await text("get", id.slice(0, 8))
    assert.include(shown, `${id} · evil · mid, until `)
    assert.include(shown, "clear and \\u{202e}gnp.exe")
    for (
      const output of [shown, await text("recall", "clear", "--namespace", "evil"), await text("get", id, "--json")]
    ) {
      assert.notMatch(output, /(?!\n)\p{Cc}|\u202e/u)
    }
    assert.strictEqual(Object((await object("get", id))["memory"])["content"], evil)
    fails(await run("get", "nothing"), 1, "there is no memory nothing")
  })

  it("edit changes fields by flags, or the text in an editor, and nobody's change in between", async () => {
    const id = await stored("The old text.", "--title", "Old", "--namespace", "edits")
    assert.strictEqual(
      await text("edit", id, "--title", "New", "--tags", "a,b", "--tier", "long"),
      `changed ${id} "New" (on 1 node)\n`
    )
    const edit = (script: string, ...args: ReadonlyArray<string>) =>
      quorate(["edit", id, ...args], {
        environment: {
          QUORATE_URL: node.url,
          EDITOR: file("editor.sh", `#!/bin/sh\n${script}\n`, 0o755),
          TMPDIR: folder
        }
      })
    const left = () => fs.readdirSync(folder).filter((name) => name.startsWith("quorate-edit-"))
    assert.strictEqual(succeeds(await edit("true")), "nothing was changed\n")
    assert.include(succeeds(await edit(`printf 'Newer\\n\\nThe new text.\\n' > "$1"`)), `"Newer"`)
    assert.deepInclude(Object((await object("get", id))["memory"]), {
      title: "Newer",
      content: "The new text.",
      tags: ["a", "b"]
    })
    fails(await edit("exit 3"), 2, "ended with 3: set EDITOR")
    assert.deepStrictEqual(left(), [])
    const broken = await edit(`printf 'Half\\n\\na text\\n' > "$1"; kill -9 $$`)
    assert.strictEqual(broken.code, 2)
    const [, half = ""] = /the text is kept in (\S+) /.exec(broken.stderr) ?? []
    assert.strictEqual(fs.readFileSync(half, "utf8"), "Half\n\na text\n")

    const between = `curl() { :; }; "${process.execPath}" -e 'fetch("${node.url}/api/v1/memories/${id}", ` +
      `{ method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify({ content: "theirs" }) })'`
    const late = await edit(`${between}\nprintf 'Newer\\n\\nmine\\n' > "$1"`)
    fails(late, 1, "somebody else changed this memory in the meantime")
    const [, kept = ""] = /the text is kept in (\S+)$/.exec(late.stderr.trim()) ?? []
    assert.strictEqual(fs.readFileSync(kept, "utf8"), "Newer\n\nmine\n")
    assert.strictEqual(fs.statSync(kept).mode & 0o077, 0)
    assert.deepInclude(Object((await object("get", id))["memory"]), { content: "theirs" })
  })

  it("link, archive, restore and delete say what was done, and on how many nodes", async () => {
    const [a, b] = [await stored("one", "--namespace", "ends"), await stored("two", "--namespace", "ends")]
    const short = (id: string) => id.slice(0, 8)
    assert.strictEqual(
      await text("link", short(a), short(b), "--relation", "supersedes"),
      `${short(a)} supersedes ${short(b)} (on 1 node)\n`
    )
    assert.include(await text("get", a), `supersedes → ${short(b)}\n`)
    assert.include(await text("get", b), `${short(a)} → supersedes\n`)
    fails(await run("link", a, b, "--relation", "loves"), 1, "relation")
    assert.strictEqual(await text("archive", short(a), "--reason", "done"), `archived ${a} (on 1 node)\n`)
    fails(await run("get", a), 1, `there is no memory ${a}`)
    assert.strictEqual(await text("restore", a), `restored ${a} (on 1 node)\n`)
    assert.strictEqual(await text("delete", short(b)), `deleted ${b} (on 1 node)\n`)
    fails(await run("delete", b), 1, `there is no memory ${b}`)
    fails(await run("restore", b), 1, "not")
  })

  it("forget shows what would go, asks, and does nothing where nobody can be asked", async () => {
    const id = await stored("a heap of moss", "--namespace", "moss")
    await stored("another heap of moss", "--namespace", "moss")
    const forget = ["forget", "moss", "--namespace", "moss"]
    const would = await text(...forget, "--dry-run")
    assert.include(would, `${id.slice(0, 8)}  a heap of moss`)
    fails(await run(...forget), 2, "2 would go: --yes says so where nobody can be asked")
    assert.lengthOf(Object((await object("list", "--namespace", "moss"))["memories"]), 2)
    assert.strictEqual(await text(...forget, "--yes"), "forgot 2 (on 1 node)\n")
    assert.strictEqual(await text(...forget, "--yes"), "nothing matches\n")
    fails(await run("forget", "--yes"), 1, "at least one of namespace, pattern and tier is required")
  })

  it("namespaces and stats count", async () => {
    await stored("counted", "--namespace", "counts")
    assert.match(await text("namespaces"), /^NAMESPACE +MEMORIES\n(?:.*\n)*counts +1\n/)
    assert.match(await text("stats"), /^WHAT +HOW MUCH\nmemories +\d+\n/)
    assert.isNumber((await object("stats"))["total"])
  })

  it("notify leaves a message that inbox shows", async () => {
    assert.match(
      await text("notify", "bob", "lunch", "at noon", "--agent-id", "alice"),
      new RegExp(`^left for bob: ${UUID} \\(on 1 node\\)\n$`)
    )
    assert.match(
      await text("inbox", "--agent-id", "bob"),
      /^lunch at noon\n\S{8} · from alice · .* · unread\nlunch at noon\n$/
    )
    assert.strictEqual(await text("inbox", "--agent-id", "carol", "--unread"), "there are none\n")
    fails(await run("inbox"), 2, "whose messages are meant")
  })

  it("pending lists what waits, and approves and rejects", async () => {
    await api.ask(node.url, "POST /namespaces", {
      body: { namespace: "kept", governance: { write: "approve", approver: "human" } },
      status: 201
    })
    const queued = await run("store", "asked for", "--namespace", "kept", "--title", "Asked")
    assert.strictEqual(queued.code, 0, queued.stderr)
    const [, id = ""] = new RegExp(`^waits for approval: (${UUID})\n$`).exec(queued.stdout) ?? []
    assert.match(await text("pending", "list", "--status", "pending"), new RegExp(`\n${id} +store +Asked +pending +`))
    assert.match(
      await text("pending", "approve", id, "--agent-id", "boss"),
      new RegExp(`^approved ${id}: memory ${UUID}\n$`)
    )
    fails(await run("pending", "reject", id), 1, "")
    assert.strictEqual(await text("pending", "list", "--status", "rejected"), "there are none\n")
  })

  it("say in a line where no daemon is, and where one is not of ours", async () => {
    const [port] = await Cluster.freePorts(1)
    fails(await quorate(["list", "--url", `http://127.0.0.1:${port}`]), 1, "start one with quorate serve")
    fails(await quorate(["list", "--url", "ftp://x"]), 2, "--url must be as http://127.0.0.1:9077 is")
    const stranger = http.createServer((_, response) => response.end("<html>"))
    await new Promise<void>((resolve) => stranger.listen(0, "127.0.0.1", resolve))
    const address = stranger.address()
    const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`
    fails(await quorate(["list", "--url", url]), 1, "is --url right?")
    await new Promise((resolve) => stranger.close(resolve))
  })

  it("show a key, and say what it is not for", async () => {
    const reader = made("reader", ["read"])
    const keyed = await start({ apiKeys: Option.some([reader.key]) })
    const [environment, secret] = [{ QUORATE_URL: keyed.url }, file("key", `${reader.secret}\n`, 0o600)]
    try {
      fails(await quorate(["list"], { environment }), 1, "missing or invalid API key")
      succeeds(await quorate(["list", "--api-key-file", secret], { environment }))
      succeeds(await quorate(["list"], { environment: { ...environment, QUORATE_API_KEY: reader.secret } }))
      fails(await quorate(["store", "x", "--api-key-file", secret], { environment }), 1, "scope write")
    } finally {
      await keyed.stop()
    }
  })
})

describe("the commands for people, of a mesh", () => {
  it("conflicts shows what lost and what won, and decides", { timeout: 60_000 }, async () => {
    const cluster = await Cluster.make({ size: 2, flags: ["--quorum-writes", "1", "--catchup-interval-secs", "1"] })
    const [one, two] = cluster.members
    assert.isDefined(one)
    assert.isDefined(two)
    try {
      const run = async (...args: ReadonlyArray<string>) => succeeds(await quorate([...args, "--url", one.url]))
      assert.strictEqual((await Promise.all([one.start()])).length, 1)
      await run("store", "said on the first", "--title", "Twice")
      assert.strictEqual(await run("conflicts", "list"), "there are none\n")
      await one.stop("SIGTERM")
      await two.start()
      succeeds(await quorate(["store", "said on the second", "--title", "Twice", "--url", two.url]))
      await one.start()
      await Cluster.until("they have met", async () => (await run("conflicts", "list")).includes("Twice"))
      const [, id = ""] = new RegExp(`\n(${UUID}) {2}Twice`).exec(await run("conflicts", "list")) ?? []
      const shown = await run("conflicts", "show", id)
      assert.match(
        shown,
        /^lost, written by [^\n]+:\nTwice\n(?:.*\n)*said on the first\n\nwon:\nTwice\n(?:.*\n)*said on the second\n$/
      )
      assert.match(
        await run("conflicts", "resolve", id, "--keep", "winner"),
        new RegExp(`^resolved ${id}: kept the winner`)
      )
      assert.strictEqual(await run("conflicts", "list"), "there are none\n")
      fails(await quorate(["conflicts", "show", id, "--url", one.url]), 1, "has no conflict")
    } finally {
      await cluster.close()
    }
  })

  it("dlq lists what a peer refuses, sends it again and gives it up", async () => {
    const peer = http.createServer((request, response) => {
      request.resume().on("end", () => {
        const [status, body] = request.method === "POST"
          ? [422, `{"error":"unknown tier"}`]
          : request.url?.startsWith("/api/v1/sync/since") === true
          ? [200, `{"memories":[]}`]
          : [404, ""]
        response.writeHead(status, { "content-type": "application/json" }).end(body)
      })
    })
    await new Promise<void>((resolve) => peer.listen(0, "127.0.0.1", resolve))
    const address = peer.address()
    const node = await start({
      quorumPeers: [`http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`],
      quorumWrites: Option.some(1)
    })
    try {
      const run = async (...args: ReadonlyArray<string>) => succeeds(await quorate([...args, "--url", node.url]))
      assert.strictEqual(await run("dlq", "list"), "there are none\n")
      await run("store", "refused")
      await Cluster.until("it is refused", async () => (await run("dlq", "list", "--json")).includes("unknown tier"))
      const [, id = ""] = /\n +(\d+) {2}http:\S+ +store /.exec(await run("dlq", "list")) ?? []
      assert.strictEqual(await run("dlq", "retry", id), `${id}: refused\n`)
      assert.strictEqual(await run("dlq", "discard", id), `${id} is not sent to this peer any more\n`)
      assert.include(await run("dlq", "list"), "given up")
      fails(await quorate(["dlq", "retry", "999999", "--url", node.url]), 1, "not found")
    } finally {
      await node.stop()
      peer.closeAllConnections()
      await new Promise((resolve) => peer.close(resolve))
    }
  })
})
