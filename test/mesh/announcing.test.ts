import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as NodeConfig from "../../src/config/NodeConfig.js"
import * as MemoryNode from "../../src/MemoryNode.js"

describe("what a node says at its start", () => {
  const warnedBy = async (quorumWrites: Option.Option<number>) => {
    const warned: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => {
      if (logLevel.label === "WARN") warned.push([message].flat().map((part) => JSON.stringify(part)).join(" "))
    })
    const node = ManagedRuntime.make(
      MemoryNode.layer.pipe(
        Layer.provide(NodeConfig.layerWith({ db: ":memory:", quorumPeers: ["https://127.0.0.1:1"], quorumWrites })),
        Layer.provide(Logger.replace(Logger.defaultLogger, logger))
      )
    )
    try {
      await node.runPromise(Effect.void)
    } finally {
      await node.dispose()
    }
    return warned.filter((line) => !line.includes("failed"))
  }

  it("is nothing of W where it fits, and that it does not, in words", async () => {
    assert.deepStrictEqual(await warnedBy(Option.none()), [])
    assert.deepStrictEqual(await warnedBy(Option.some(5)), ["\"--quorum-writes 5 is out of 1..2: using W=2\""])
  })
})
