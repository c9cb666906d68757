import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { Settings } from "../../config/NodeConfig.js"
import type { StoreAddress } from "../../config/storeAddress.js"
import * as driver from "../../store/postgres/driver.js"
import * as examining from "../../store/postgres/examining.js"
import { type Driver, placeOf } from "../../store/postgres/server.js"
import * as Standbys from "../../store/postgres/Standbys.js"
import * as binding from "../../store/site/binding.js"
import * as Places from "../../store/site/Places.js"
import type { Head } from "../../store/site/SiteLog.js"
import { type Check, fault, ok, warning } from "./Check.js"

/** What a file says of the site that it is of. */
interface Held {
  readonly siteId: Option.Option<string>
  /** Why no site can have it. */
  readonly refusal: string | null
  readonly places: ReadonlyArray<Head>
}

const NEW: Held = { siteId: Option.none(), refusal: null, places: [] }

/** Of a file that is not there, or can not be read, nothing is known. */
const heldIn = (file: string): Held => {
  try {
    const db = new Database(file, { readonly: true, fileMustExist: true })
    try {
      return {
        siteId: Option.map(binding.read(db), ({ siteId }) => siteId),
        refusal: binding.refusal(db),
        places: Places.read(db)
      }
    } finally {
      db.close()
    }
  } catch {
    return NEW
  }
}

/** Looks at the store that the settings give, and whether the file is of it. */
export const examine = (settings: Settings, file: string): Effect.Effect<ReadonlyArray<Check>> =>
  Effect.gen(function*() {
    // Before the store is asked, which a daemon may go on writing to: the file can only be behind then.
    const held = heldIn(file)
    const { readStore, store } = settings
    if (Option.isNone(store)) return Option.isNone(held.siteId) ? [] : [fault("store", WITHOUT)]
    const loaded = yield* Effect.either(driver.load)
    if (Either.isLeft(loaded)) return [fault("store", loaded.left.message)]
    const servers = yield* serversOf(loaded.right, store.value)
    const primaries = servers.flatMap(({ seen, server }) =>
      Either.isRight(seen) && !seen.right.isStandby ? [{ server, seen: seen.right }] : []
    )
    const [primary] = primaries
    return [
      ofServers(servers, primaries.length),
      ...(primary === undefined ? [] : yield* ofPrimary(loaded.right, primary, { settings, held })),
      ...(Option.isNone(readStore)
        ? []
        : [yield* ofReadStore(loaded.right, readStore.value, primary?.seen.site ?? null)])
    ]
  })

const WITHOUT = "the file has the memory of a site: give the database that it is of with --store"

interface Server {
  readonly server: string
  readonly seen: Either.Either<Seen, string>
}
type Seen = Effect.Effect.Success<ReturnType<typeof examining.look>>
type Counted = Effect.Effect.Success<ReturnType<typeof examining.count>>

const serversOf = (driver: Driver, { servers }: StoreAddress): Effect.Effect<ReadonlyArray<Server>> =>
  Effect.forEach(
    servers,
    (server) => Effect.map(Effect.either(examining.look(driver, server)), (seen) => ({ server, seen })),
    { concurrency: "unbounded" }
  )

const ofServers = (servers: ReadonlyArray<Server>, primaries: number): Check => {
  const told = servers.map(({ seen, server }) =>
    Either.match(seen, {
      onLeft: (why) => why,
      onRight: ({ isStandby }) => `${placeOf(server)} ${isStandby ? "only repeats another one" : "takes writes"}`
    })
  ).join("; ")
  if (primaries === 0) return fault("store", `none takes writes: ${told}`)
  if (primaries > 1) return fault("store", `more than one takes writes, and all but one must be stopped: ${told}`)
  return servers.every(({ seen }) => Either.isRight(seen)) ? ok("store", told) : warning("store", told)
}

interface Asked {
  readonly settings: Settings
  readonly held: Held
}

const ofPrimary = (
  driver: Driver,
  { seen, server }: { readonly seen: Seen; readonly server: string },
  { held, settings }: Asked
): Effect.Effect<ReadonlyArray<Check>> =>
  Effect.gen(function*() {
    const standbys = ofStandbys(Standbys.wanted(settings), seen.names)
    const site = ofSite(seen, held, settings)
    if (seen.site === null || site.status === "fault") return [site, ...standbys]
    const counted = yield* Effect.either(examining.count(driver, server))
    return [site, ofLog(seen.site.heads, held.places, counted), ...standbys]
  })

const ofSite = ({ site }: Seen, { refusal, siteId }: Held, { nodeId }: Settings): Check => {
  if (refusal !== null) return fault("site", `no site can have the file: ${refusal}`)
  if (site === null) {
    return Option.isSome(siteId)
      ? fault("site", "it is new, and the file is of one: put that back, or give the one that has it")
      : ok("site", "it is new: the first daemon makes its tables")
  }
  if (Option.isSome(siteId) && siteId.value !== site.siteId) {
    return fault("site", "it has another memory than the one that the file is of")
  }
  if (Option.isSome(nodeId) && nodeId.value !== site.nodeId) {
    return fault("site", `it is node ${site.nodeId}, and --node-id says ${nodeId.value}: leave that out`)
  }
  const leads = site.leader === null
    ? "no daemon has its background work"
    : `a daemon has its background work, as number ${site.leader}`
  return ok("site", `it is node ${site.nodeId}; ${leads}`)
}

const placeIn = (heads: ReadonlyArray<Head>, of: string): number =>
  heads.find(({ writer }) => writer === of)?.place ?? 0

const ofLog = (
  heads: ReadonlyArray<Head>,
  held: ReadonlyArray<Head>,
  counted: Either.Either<Counted, string>
): Check => {
  const lost = held.find(({ place, writer }) => place > placeIn(heads, writer))
  if (lost !== undefined) {
    return fault(
      "log",
      `it lacks what it had, and the file still has: of ${lost.writer} it has ${
        placeIn(heads, lost.writer)
      } entries, ` +
        `and the file ${lost.place}; an older state was put in its place`
    )
  }
  if (Either.isLeft(counted)) return warning("log", `its entries were not counted: ${counted.left}`)
  // What was brought meanwhile is counted, too.
  const torn = heads.find(({ place, writer }) => {
    const there = counted.right.find((each) => each.writer === writer)
    return (there?.entries ?? 0) < place || there?.entries !== there?.place
  })
  if (torn !== undefined) {
    return fault("log", `of the ${torn.place} entries of ${torn.writer} some are not there; put back a backup`)
  }
  const all = heads.reduce((sum, { place }) => sum + place, 0)
  const behind = all - heads.reduce((sum, { writer }) => sum + placeIn(held, writer), 0)
  const inFile = behind === 0 ? "all of them" : `all but ${behind}, which it follows when its daemon runs`
  return ok("log", `${all} entries of ${heads.length} daemon(s); the file has ${inFile}`)
}

const ofStandbys = (wanted: number, names: string): ReadonlyArray<Check> => {
  if (wanted === 0) return []
  const { count, shown } = Standbys.read(names)
  return [count < wanted ? fault("standbys", Standbys.whyTooFew(wanted, names)) : ok("standbys", shown ?? "")]
}

/** Who can not read there reads of the store itself. */
const ofReadStore = (
  driver: Driver,
  address: StoreAddress,
  primary: Seen["site"]
): Effect.Effect<Check> =>
  Effect.map(serversOf(driver, address), (servers) => {
    const told = servers.map(({ seen, server }) =>
      Either.match(seen, {
        onLeft: (why) => why,
        onRight: ({ site }) => `${placeOf(server)} ${distanceOf(site, primary)}`
      })
    ).join("; ")
    const isWell = servers.every(({ seen }) => Either.isRight(seen) && isSame(seen.right.site, primary))
    return isWell ? ok("read store", told) : warning("read store", told)
  })

const isSame = (site: Seen["site"], primary: Seen["site"]): boolean => site !== null && site.siteId === primary?.siteId

const distanceOf = (site: Seen["site"], primary: Seen["site"]): string => {
  if (site === null || primary === null || !isSame(site, primary)) return "does not have the memory of the store"
  const total = (heads: ReadonlyArray<Head>) => heads.reduce((sum, { place }) => sum + place, 0)
  return `is ${Math.max(total(primary.heads) - total(site.heads), 0)} entries behind`
}
