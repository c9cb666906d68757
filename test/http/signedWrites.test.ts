import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Signer, signerOf } from "../../src/access/ed25519.js"
import * as writeSignature from "../../src/access/writeSignature.js"
import * as Call from "./call.js"
import * as Node from "./node.js"

/** Memories that their authors signed, on one node. */

const signer = (byte: number): Signer => Option.getOrThrow(signerOf(Buffer.alloc(32, byte)))
const bound = signer(1)
const enrolled = signer(2)
const stranger = signer(3)
const BOUND = "ai:bound"
const ENROLLED = "ai:enrolled"

describe("a signed memory", () => {
  let node: Node.Node
  let send: Call.Send
  const keyDir = mkdtempSync(join(tmpdir(), "quorate-signed-"))
  let count = 0
  beforeAll(async () => {
    writeFileSync(join(keyDir, `${ENROLLED}.pub`), enrolled.publicKey.raw, { mode: 0o600 })
    node = await Node.start({ keyDir: Option.some(keyDir) })
    send = Call.to(node)
    for (
      const [method, path, body] of [
        ["POST", "/agents", { agent_id: BOUND, agent_type: "human" }],
        ["PUT", `/agents/${BOUND}/pubkey`, { pubkey_b64: bound.publicKey.raw.toString("base64url") }]
      ] as const
    ) {
      const answered = await send(method, path, { body })
      assert.include([200, 201], answered.status, answered.text)
    }
  })
  afterAll(async () => {
    await node.stop()
    rmSync(keyDir, { recursive: true })
  })

  interface Body {
    readonly namespace: string
    readonly title: string
    readonly content: string
    readonly agent_id: string
    readonly created_at: string
    readonly signature: string
  }
  const signed = (by: Signer, agent_id: string, form: 0 | 1 = 0, at = new Date().toISOString()): Body => {
    const texts = { namespace: "signed", title: `memory ${++count}`, content: "what is so" }
    const bytes = writeSignature.bytesOf({ ...texts, agentId: agent_id, kind: "observation", createdAt: at })[form]
    return { ...texts, agent_id, created_at: at, signature: by.sign(bytes).toString("base64") }
  }
  const store = (body: object) => send("POST", "/memories", { body })
  const stored = async (body: object) => {
    const answered = await store(body)
    assert.strictEqual(answered.status, 201, answered.text)
    return memory(String(answered.body["id"]))
  }
  const memory = async (id: string) => Object((await send("GET", `/memories/${id}`)).body["memory"])
  const refused = async (status: number, text: string, body: object) => {
    const before = await node.contents()
    const answered = await store(body)
    assert.strictEqual(answered.status, status, answered.text)
    assert.include(answered.text, text)
    assert.deepStrictEqual(await node.contents(), before)
    return answered
  }

  for (const [form, name] of [[0, "0.10"], [1, "0.7"]] as const) {
    it(`is marked as its agent's in the form of ${name}, with its signature and its moment`, async () => {
      for (const [by, agent] of [[bound, BOUND], [enrolled, ENROLLED]] as const) {
        const body = signed(by, agent, form)
        const { created_at, metadata } = await stored(body)
        assert.deepStrictEqual(metadata, {
          attest_level: "agent_attested",
          write_signature: body.signature,
          write_created_at: body.created_at,
          agent_id: agent
        })
        assert.strictEqual(Date.parse(created_at), Date.parse(body.created_at))
      }
    })
  }

  it("is refused when one byte of what was signed is another", async () => {
    for (const by of [0, 1] as const) {
      const body = signed(bound, BOUND, by)
      const later = new Date(Date.parse(body.created_at) + 1).toISOString()
      const last = Buffer.from(body.signature, "base64")
      last[40] = (last[40] ?? 0) ^ 1
      for (
        const change of [
          { title: `${body.title}x` },
          { content: `${body.content}x` },
          { namespace: "signex" },
          { agent_id: ENROLLED },
          { created_at: later },
          { signature: last.toString("base64") }
        ]
      ) {
        const { body: said } = await refused(403, "agent attestation failed: ", { ...body, ...change })
        assert.strictEqual(said["code"], "ATTESTATION_FAILED")
      }
    }
    await refused(403, "ATTESTATION_FAILED", signed(stranger, BOUND))
  })

  it("is its agent's word alone where no key of the agent is known", async () => {
    const body = signed(stranger, "ai:unknown")
    assert.deepInclude((await stored(body)).metadata, { attest_level: "claimed", write_signature: body.signature })
  })

  it("has a signature in the one form of base64, and a moment of about now", async () => {
    const body = signed(bound, BOUND)
    for (const signature of ["", "AAAA", body.signature.replaceAll("=", ""), `${body.signature}\n`]) {
      await refused(400, "signature must be", { ...body, signature })
    }
    await refused(400, "created_at is required", { ...body, created_at: null })
    await refused(400, "created_at must be an RFC 3339", { ...body, created_at: "now" })
    for (const seconds of [-310, 310]) {
      const at = new Date(Date.now() + seconds * 1000).toISOString()
      await refused(400, "created_at must be within 300 s", signed(bound, BOUND, 0, at))
    }
    for (const seconds of [-290, 290]) {
      await stored(signed(bound, BOUND, 0, new Date(Date.now() + seconds * 1000).toISOString()))
    }
  })

  it("is not what a request says of itself", async () => {
    const lies = {
      attest_level: "agent_attested",
      write_signature: "x",
      write_created_at: "x",
      agent_pubkey: "x",
      topic: "kept"
    }
    const { id, metadata } = await stored({ title: "lies", content: "c", agent_id: BOUND, metadata: lies })
    assert.deepStrictEqual(metadata, { topic: "kept", agent_id: BOUND })
    await send("PUT", `/memories/${String(id)}`, { body: { metadata: lies } })
    assert.deepStrictEqual((await memory(String(id))).metadata, { topic: "kept", agent_id: BOUND })
  })

  it("is marked as long as its texts are those that were signed", async () => {
    const { id, metadata: { attest_level, write_signature } } = await stored(signed(bound, BOUND))
    await send("PUT", `/memories/${String(id)}`, { body: { priority: 9, metadata: { topic: "new" } } })
    assert.deepInclude((await memory(id)).metadata, { attest_level, write_signature, topic: "new" })
    await send("PUT", `/memories/${String(id)}`, { body: { content: "something else" } })
    assert.deepStrictEqual((await memory(id)).metadata, { topic: "new", agent_id: BOUND })
  })

  it("is none where it takes another title, or merges into another memory", async () => {
    const body = signed(bound, BOUND)
    await stored({ title: body.title, content: "before", namespace: body.namespace, agent_id: "someone" })
    assert.deepStrictEqual((await stored({ ...body, on_conflict: "version" })).metadata, { agent_id: BOUND })
    assert.deepStrictEqual((await stored({ ...body, on_conflict: "merge" })).metadata, { agent_id: "someone" })
  })

  it("is checked by a key that is sound, and stays when its agent registers again", async () => {
    const put = (agent: string, pubkey_b64: string) => send("PUT", `/agents/${agent}/pubkey`, { body: { pubkey_b64 } })
    const small = Buffer.alloc(32)
    small[0] = 1
    for (const key of ["", "AAAA", small.toString("base64"), Buffer.alloc(32).toString("base64url")]) {
      assert.strictEqual((await put(BOUND, key)).status, 400, key)
    }
    assert.strictEqual((await put("nobody", bound.publicKey.raw.toString("base64"))).status, 404)
    assert.strictEqual((await send("POST", "/agents", { body: { agent_id: BOUND, agent_type: "system" } })).status, 201)
    assert.deepInclude((await stored(signed(bound, BOUND))).metadata, { attest_level: "agent_attested" })
  })
})
