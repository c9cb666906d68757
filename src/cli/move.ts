import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import * as fs from "node:fs"
import * as NodeConfig from "../config/NodeConfig.js"
import * as storeAddress from "../config/storeAddress.js"
import { NodeId } from "../domain/ids.js"
import * as Uuid from "../domain/Uuid.js"
import * as MemoryNode from "../MemoryNode.js"
import { Sqlite } from "../store/log/Sqlite.js"
import * as sqlite from "../store/log/Sqlite.js"
import { MemoryStore } from "../store/MemoryStore.js"
import * as driver from "../store/postgres/driver.js"
import * as PostgresLog from "../store/postgres/PostgresLog.js"
import * as binding from "../store/site/binding.js"
import * as moving from "../store/site/moving.js"
import * as Places from "../store/site/Places.js"
import { SiteLog } from "../store/site/SiteLog.js"
import * as Logging from "../telemetry/Logging.js"
import { nodeIdOf } from "./databaseOf.js"
import { progress } from "./moving/progress.js"
import { BadUsage } from "./report.js"

/** `quorate move`: a memory from a file to a database, back, or from one database to another. */
export const make = () =>
  Command.make("move", {
    from: placeOption("from", "Where the memory is: a file, or the address of a database as that of --store."),
    to: placeOption("to", "Where it is to be; the same. An empty one, or that of a move that was broken off."),
    json: Options.boolean("json").pipe(Options.withDescription("One JSON object instead of a text."))
  }, ({ from, json, to }) =>
    Effect.gen(function*() {
      const moved = yield* move(yield* placeOf("from", from), yield* placeOf("to", to)).pipe(Effect.scoped)
      yield* Console.log(
        json
          ? JSON.stringify(moved)
          : `moved: ${moved.operations} operations are there, all as they were; ${moved.brought} of them by this run`
      )
    })).pipe(
      Command.withDescription("Move a memory, whose daemons do not run, from a file to a PostgreSQL database or back.")
    )

const placeOption = (name: string, description: string) =>
  Options.text(name).pipe(Options.withPseudoName("place"), Options.withDescription(description))

type Place = { readonly file: string } | { readonly store: storeAddress.StoreAddress }

const placeOf = (name: string, text: string): Effect.Effect<Place, BadUsage> =>
  /^[a-z]+:\/\//i.test(text)
    ? Effect.mapBoth(storeAddress.parse(text), {
      onFailure: (wrong) => new BadUsage({ problem: `--${name}: ${wrong}` }),
      onSuccess: (store) => ({ store })
    })
    : Effect.succeed({ file: text })

/** A page of what is brought may take so long: nobody waits for an answer to it. */
const WITHIN = Duration.minutes(1)

const move = (from: Place, to: Place) =>
  Effect.gen(function*() {
    const shown = progress()
    const told = (done: number, of: number) => shown.update({ rows: done, share: of === 0 ? 1 : done / of })
    return yield* run(from, to, told).pipe(
      // Standard output is for the answer alone.
      Effect.provide(Logging.layer({ level: LogLevel.Warning, format: "pretty" })),
      Effect.ensuring(Effect.sync(shown.clear))
    )
  })

const run = (from: Place, to: Place, told: (done: number, of: number) => void) =>
  Effect.gen(function*() {
    if ("store" in from) return yield* "store" in to ? toOther(from.store, to.store, told) : toFile(from.store, to.file)
    if ("store" in to) return yield* toStore(from.file, to.store, told)
    return yield* new moving.NotMoved({
      why: "from a file to a file: copy it, and its -wal file, while its node does not run"
    })
  })

const siteAt = (
  address: storeAddress.StoreAddress,
  how: { readonly nodeId: Option.Option<NodeId>; readonly expected: Option.Option<string>; readonly isMade: boolean }
) =>
  Effect.gen(function*() {
    const layer = PostgresLog.layer({
      ...how,
      driver: yield* driver.load,
      address,
      standby: Option.none(),
      standbys: 0,
      timeout: WITHIN
    })
    return Context.get(yield* Layer.build(Layer.provide(layer, Uuid.layer(randomUUID))), SiteLog)
  })

const opened = (file: string): Effect.Effect<Sqlite["Type"], sqlite.DatabaseRefused, Scope.Scope> =>
  Effect.map(Layer.build(sqlite.layerWriter({ file })), (context) => Context.get(context, Sqlite))

const toStore = (file: string, address: storeAddress.StoreAddress, told: (done: number, of: number) => void) =>
  Effect.gen(function*() {
    if (!fs.existsSync(file)) return yield* new moving.NotMoved({ why: `there is no file ${file}` })
    const { writer } = yield* opened(file)
    const nodeId = Option.map(Option.fromNullable(nodeIdOf(writer)), (id) => NodeId.make(id))
    if (Option.isNone(nodeId)) return yield* new moving.NotMoved({ why: `${file} has no memory yet` })
    const expected = Option.map(binding.read(writer), ({ siteId }) => siteId)
    const site = yield* siteAt(address, { nodeId, expected, isMade: false })
    return yield* moving.toSite(writer, site, told)
  })

/** A daemon comes to hold all that the site has, and is a node by itself from then on. */
const toFile = (address: storeAddress.StoreAddress, file: string) =>
  Effect.gen(function*() {
    const before = yield* Effect.scoped(Effect.flatMap(siteAt(address, SOMEBODYS), ({ heads }) => heads))
    const had = fs.existsSync(file) ? yield* Effect.scoped(Effect.map(opened(file), heldIn)) : 0
    const settings = {
      ...NodeConfig.defaults,
      db: file,
      store: Option.some(address),
      embedder: "none" as const,
      checkRowsPerSecond: 0
    }
    const held = yield* Effect.scoped(
      Effect.gen(function*() {
        const node = yield* Layer.build(Layer.provide(MemoryNode.layer, Layer.succeed(NodeConfig.NodeConfig, settings)))
        return Context.get(node, MemoryStore).digest()
      })
    )
    const { writer } = yield* opened(file)
    binding.clear(writer)
    const operations = before.reduce((sum, { place }) => sum + place, 0)
    return { operations, brought: operations - had, digest: held }
  })

/** How much of its site a file has, from a move that was broken off. */
const heldIn = ({ writer }: Sqlite["Type"]): number =>
  Array.from(Places.make(writer).state().values()).reduce((sum, place) => sum + place, 0)

const SOMEBODYS = { nodeId: Option.none(), expected: Option.none(), isMade: true }

const toOther = (
  from: storeAddress.StoreAddress,
  to: storeAddress.StoreAddress,
  told: (done: number, of: number) => void
) =>
  Effect.gen(function*() {
    const source = yield* siteAt(from, SOMEBODYS)
    const target = yield* siteAt(to, { nodeId: Option.some(source.nodeId), expected: Option.none(), isMade: false })
    if (target.siteId === source.siteId) return yield* new moving.NotMoved({ why: "both are the same database" })
    return yield* moving.between(source, target, told)
  })
