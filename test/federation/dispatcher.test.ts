import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as dispatcher from "../../src/federation/wire/dispatcher.js"
import * as certificates from "../certificates.js"

describe("the files of a node's identity towards peers", () => {
  let made: Awaited<ReturnType<typeof certificates.make<"one" | "two">>>
  beforeAll(async () => {
    made = await certificates.make(["one", "two"])
  })
  afterAll(() => made.remove())

  const none = { cert: Option.none(), key: Option.none(), ca: Option.none() }
  const started = (tls: Partial<dispatcher.PeerTls>) =>
    Effect.runPromise(Effect.either(Effect.scoped(Layer.build(dispatcher.layer({ ...none, ...tls })))))
  const refusal = async (tls: Partial<dispatcher.PeerTls>) => {
    const answer = await started(tls)
    return answer._tag === "Left" ? answer.left.message : "started"
  }

  it("stop the start when they hold something else", async () => {
    const { cert, key } = made.of("one")
    const garbage = join(made.folder, "garbage.pem")
    writeFileSync(garbage, "-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n")
    const empty = join(made.folder, "empty.pem")
    writeFileSync(empty, "# nothing\n")
    for (const file of [garbage, empty]) {
      assert.match(await refusal({ ca: Option.some(file) }), /^--quorum-ca-cert: .*pem cannot be used \(/)
      assert.match(
        await refusal({ cert: Option.some(file), key: Option.some(key) }),
        /^--quorum-client-cert: .*pem cannot be used \(/
      )
      assert.match(
        await refusal({ cert: Option.some(cert), key: Option.some(file) }),
        /^--quorum-client-key: .*pem cannot be used \(/
      )
    }
    const other = made.of("two").key
    assert.match(await refusal({ cert: Option.some(cert), key: Option.some(other) }), /^--quorum-client-key: /)
    const bundle = join(made.folder, "bundle.pem")
    writeFileSync(bundle, `${readFileSync(cert, "utf8")}\n${readFileSync(garbage, "utf8")}`)
    assert.match(await refusal({ ca: Option.some(bundle) }), /^--quorum-ca-cert: /)
  })

  it("are taken when they are right, several authorities in one file, too", async () => {
    const [one, two] = [made.of("one"), made.of("two")]
    const bundle = join(made.folder, "both.pem")
    writeFileSync(bundle, `one\n${readFileSync(one.cert, "utf8")}\ntwo\n${readFileSync(two.cert, "utf8")}`)
    assert.strictEqual(await refusal({}), "started")
    const all = { ca: Option.some(bundle), cert: Option.some(one.cert), key: Option.some(one.key) }
    assert.strictEqual(await refusal(all), "started")
  })
})
