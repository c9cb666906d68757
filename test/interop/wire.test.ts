import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { connect } from "node:net"
import * as Cluster from "../mesh/Cluster.js"
import * as Original from "./Original.js"
import { stamp, wallClock } from "./original/stamp.js"

/**
 * What the original puts on the wire, byte for byte but for `{{now}}`: `fixtures/<name>.<n>.json` is the body of the
 * n-th push of a case. Each goes to the stand-in for the original, so that what is expected is the original's answer, and
 * to a daemon of ours, which must answer the same.
 */
interface Case {
  readonly name: string
  readonly pushes: ReadonlyArray<{
    readonly headers: Readonly<Record<string, string>>
    /** All counters that are not 0. */
    readonly counters: Readonly<Record<string, number>>
  }>
  /** What GETs answer afterwards: the status, and what the text must contain. */
  readonly reads: ReadonlyArray<readonly [path: string, status: number, text?: string]>
}

/** The id of the n-th memory of the k-th case; its pending action is 255. */
const id = (k: number, n: number) =>
  `${k.toString(16).padStart(8, "0")}-0000-4000-8000-${n.toString(16).padStart(12, "0")}`
const keyed = (key: string, counters: Readonly<Record<string, number>>) => ({
  headers: { "Idempotency-Key": key },
  counters
})
const memory = (k: number, n: number) => `/memories/${id(k, n)}`
const arrow = (k: number) => `${id(k, 1)}→${id(k, 2)}`
const SIGNED_07 = {
  "x-peer-id": "host:ship-1",
  "x-memory-sig": `ed25519=${Buffer.alloc(64, 7).toString("base64")}`,
  "x-memory-nonce": "5b2f6a3e-0000-4000-8000-000000000001"
}

const CASES: ReadonlyArray<Case> = [
  {
    name: "store",
    pushes: [keyed(id(1, 1), { applied: 1 }), keyed(id(1, 1), { applied: 1 }), keyed(id(1, 1), { applied: 1 })],
    reads: [[memory(1, 1), 200, "\"content\":\"edited\""]]
  },
  {
    name: "store-invalid",
    pushes: [keyed(id(2, 2), { skipped: 1 }), keyed(id(2, 1), { applied: 1, skipped: 1 })],
    reads: [[memory(2, 1), 200], [memory(2, 2), 404]]
  },
  {
    name: "bulk",
    pushes: [keyed(id(3, 1), { applied: 1 }), { headers: { "X-Catchup": "bulk" }, counters: { applied: 3 } }],
    reads: [[memory(3, 1), 200], [memory(3, 2), 200], [memory(3, 3), 200]]
  },
  {
    name: "delete",
    pushes: [keyed(id(4, 1), { applied: 1 }), keyed(id(4, 1), { deleted: 1 }), keyed(id(4, 1), { noop: 1 })],
    reads: [[memory(4, 1), 404]]
  },
  {
    name: "archive",
    pushes: [keyed(id(5, 1), { applied: 1 }), keyed(id(5, 1), { archived: 1 }), keyed(id(5, 1), { noop: 1 })],
    reads: [[memory(5, 1), 404], ["/archive?namespace=wire/archive", 200, id(5, 1)]]
  },
  {
    name: "restore",
    pushes: [
      keyed(id(6, 1), { applied: 1 }),
      keyed(id(6, 1), { archived: 1 }),
      keyed(id(6, 1), { restored: 1 }),
      keyed(id(6, 1), { noop: 1 })
    ],
    reads: [[memory(6, 1), 200], ["/archive?namespace=wire/restore", 200, "\"count\":0"]]
  },
  {
    name: "link",
    pushes: [
      keyed(id(7, 1), { applied: 2 }),
      keyed(arrow(7), { links_applied: 1 }),
      keyed(arrow(7), { links_applied: 1 })
    ],
    reads: [[`/links/${id(7, 2)}`, 200, "\"supersedes\""]]
  },
  {
    name: "link-signed",
    pushes: [keyed(id(8, 1), { applied: 2 }), keyed(arrow(8), { links_applied: 1 })],
    reads: [[`/links/${id(8, 1)}`, 200, "\"related_to\""]]
  },
  {
    name: "consolidate",
    pushes: [keyed(id(9, 1), { applied: 2 }), keyed(id(9, 3), { applied: 1, deleted: 2 })],
    reads: [["/memories?namespace=wire/consolidate", 200, "\"count\":1"], [memory(9, 3), 200]]
  },
  {
    name: "pending",
    pushes: [keyed(id(10, 255), { pendings_applied: 1 }), keyed(id(10, 255), { pendings_applied: 1 })],
    reads: [["/pending?status=pending", 200, id(10, 255)], ["/memories?namespace=wire/pending", 200, "\"count\":0"]]
  },
  {
    name: "approve",
    pushes: [
      keyed(id(11, 255), { pendings_applied: 1 }),
      keyed(id(11, 255), { pending_decisions_applied: 1 }),
      keyed(id(11, 2), { applied: 1 }),
      keyed(id(11, 255), { noop: 1 })
    ],
    reads: [
      ["/pending?status=approved", 200, id(11, 255)],
      ["/memories?namespace=wire/approve", 200, "\"count\":1"],
      ["/memories?namespace=wire/approve", 200, "\"to approve\""]
    ]
  },
  {
    name: "approve-delete",
    pushes: [
      keyed(id(12, 1), { applied: 1 }),
      keyed(id(12, 255), { pendings_applied: 1 }),
      keyed(id(12, 255), { pending_decisions_applied: 1 })
    ],
    reads: [["/pending?status=approved", 200, id(12, 255)], [memory(12, 1), 404]]
  },
  {
    name: "approve-promote",
    pushes: [
      keyed(id(13, 1), { applied: 1 }),
      keyed(id(13, 255), { pendings_applied: 1 }),
      keyed(id(13, 255), { pending_decisions_applied: 1 })
    ],
    reads: [["/pending?status=approved", 200, id(13, 255)], [memory(13, 1), 200, "\"tier\":\"long\""]]
  },
  {
    name: "reject",
    pushes: [
      keyed(id(14, 255), { pendings_applied: 1 }),
      keyed(id(14, 255), { pending_decisions_applied: 1 }),
      keyed(id(14, 255), { noop: 1 })
    ],
    reads: [["/pending?status=rejected", 200, id(14, 255)], ["/memories?namespace=wire/reject", 200, "\"count\":0"]]
  },
  {
    name: "standard",
    pushes: [keyed(id(15, 1), { applied: 1 }), keyed("wire/standard", { namespace_meta_applied: 1 })],
    reads: [["/namespaces?namespace=wire/standard", 200, `"standard_id":"${id(15, 1)}"`]]
  },
  {
    name: "clear",
    pushes: [
      keyed(id(16, 1), { applied: 1 }),
      keyed("wire/clear", { namespace_meta_applied: 1 }),
      keyed("wire/clear", { namespace_meta_cleared: 1 }),
      keyed("wire/clear", { noop: 1 })
    ],
    reads: [["/namespaces?namespace=wire/clear", 200, "\"standard_id\":null"], [memory(16, 1), 200]]
  },
  { name: "agent", pushes: [keyed(id(17, 1), { applied: 1 })], reads: [["/agents", 200, "ai:bot"]] },
  { name: "notify", pushes: [keyed(id(18, 1), { applied: 1 })], reads: [["/inbox?agent_id=bob", 200, "\"hello\""]] },
  {
    name: "sync-daemon",
    pushes: [{ headers: { "x-agent-id": "host:ship-1:pid-7-0a1b2c3d" }, counters: { applied: 1 } }],
    reads: [[memory(19, 1), 200]]
  },
  {
    name: "store-0.7",
    pushes: [{ headers: { "Idempotency-Key": id(20, 1), ...SIGNED_07 }, counters: { applied: 1 } }],
    reads: [[memory(20, 1), 200, "\"federation_share\":true"]]
  },
  {
    name: "link-0.7",
    pushes: [
      keyed(id(21, 1), { applied: 2 }),
      { headers: { "Idempotency-Key": arrow(21), ...SIGNED_07 }, counters: { links_applied: 1, skipped: 1 } }
    ],
    reads: [[`/links/${id(21, 1)}`, 200, "\"derived_from\""]]
  }
]

const COUNTERS = [
  "applied",
  "deleted",
  "archived",
  "restored",
  "links_applied",
  "pendings_applied",
  "pending_decisions_applied",
  "namespace_meta_applied",
  "namespace_meta_cleared",
  "noop",
  "skipped"
] as const

const FOLDER = "test/interop/fixtures"

/** One request as these bytes, header values included; answers the status and the body's JSON. */
const post = (url: string, headers: Readonly<Record<string, string>>, body: string) =>
  new Promise<{ readonly status: number; readonly body: Record<string, unknown> }>((resolve, reject) => {
    const { host, hostname, port } = new URL(url)
    const lines = Object.entries({
      "content-type": "application/json",
      ...headers,
      accept: "*/*",
      host,
      "content-length": String(Buffer.byteLength(body))
    }).map(([name, value]) => `${name}: ${value}\r\n`)
    const socket = connect(Number(port), hostname)
    let text = ""
    socket.setTimeout(10_000, () => socket.destroy(new Error(`no answer but: ${text}`)))
    socket.once("error", reject)
    socket.on("data", (chunk) => {
      text += chunk.toString()
      const [head = "", answer] = text.split("\r\n\r\n")
      const length = /^content-length: (\d+)$/im.exec(head)?.[1]
      const isChunkedToTheEnd = length === undefined && answer?.endsWith("\r\n0") === true
      if (answer === undefined || !(isChunkedToTheEnd || Buffer.byteLength(answer) === Number(length))) return
      socket.destroy()
      const json = /\{[^]*\}/.exec(answer)?.[0] ?? "{}"
      resolve({ status: Number(head.split(" ")[1]), body: JSON.parse(json) })
    })
    socket.write(`POST /api/v1/sync/push HTTP/1.1\r\n${lines.join("")}\r\n${body}`)
  })

const read = async (url: string, path: string) => {
  const response = await fetch(`${url}/api/v1${path}`)
  return { status: response.status, text: await response.text() }
}

const check = async (url: string, { name, pushes, reads }: Case) => {
  for (const [index, { counters, headers }] of pushes.entries()) {
    const body = readFileSync(`${FOLDER}/${name}.${index}.json`, "utf8").trim()
    const answer = await post(url, headers, body.replaceAll("{{now}}", stamp(wallClock())))
    assert.strictEqual(answer.status, 200, `push ${index}: ${JSON.stringify(answer.body)}`)
    const expected = Object.fromEntries(COUNTERS.map((counter) => [counter, counters[counter] ?? 0]))
    const counted = Object.fromEntries(COUNTERS.map((counter) => [counter, answer.body[counter]]))
    assert.deepStrictEqual(counted, expected, `push ${index}`)
    assert.strictEqual(answer.body["dry_run"], false)
    assert.isString(answer.body["receiver_agent_id"])
    assert.property(answer.body["receiver_clock"], "entries")
    assert.notProperty(answer.body, "ids")
  }
  for (const [path, status, part] of reads) {
    const { status: answered, text } = await read(url, path)
    assert.strictEqual(answered, status, path)
    if (part !== undefined) assert.include(text, part, path)
  }
}

it("every fixture belongs to a case", () => {
  const expected = CASES.flatMap(({ name, pushes }) => pushes.map((_, index) => `${name}.${index}.json`))
  assert.deepStrictEqual(readdirSync(FOLDER).sort(), expected.sort())
})

describe("the original's wire, at the stand-in for the original", () => {
  let original: Original.Original
  beforeAll(async () => {
    original = await Original.start({ name: "ship-2" })
  })
  afterAll(() => original.stop())
  for (const one of CASES) it(one.name, () => check(original.url, one))
})

describe("the original's wire, at a daemon of ours", () => {
  let cluster: Awaited<ReturnType<typeof Cluster.make>>
  let url = ""
  beforeAll(async () => {
    cluster = await Cluster.make({ size: 1 })
    url = cluster.members[0]?.url ?? ""
    await cluster.members[0]?.start()
  })
  afterAll(() => cluster.close())
  for (const one of CASES) it(one.name, () => check(url, one))
})
