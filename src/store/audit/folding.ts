import type { AuditEvent, AuditEventType } from "../../domain/AuditEvent.js"
import { sortedJson } from "../../domain/sortedJson.js"

/*
 * What becomes a row. The same event again is counted, and the count is a row of its own when a while is over: after a minute,
 * two, four, and so on up to an hour. Of different ones of a type there are rows for a hundred at once and six a minute, and from one
 * address for twenty at once and one a minute; what is more is one count of the type. So who knocks for ever fills no disk, hides
 * nothing of another type, and nobody who comes from elsewhere.
 */

/** What is to be written. */
export interface Noted extends AuditEvent {
  readonly atMillis: number
}

interface Folding {
  readonly add: (event: AuditEvent, nowMillis: number) => void
  /** What is to be written now, the oldest first; it is not answered again. `all`: with the counts that are not due. */
  readonly drain: (nowMillis: number, all?: "all") => ReadonlyArray<Noted>
}

const FIRST_WINDOW_MILLIS = 60_000
const LAST_WINDOW_MILLIS = 3_600_000
/** Rows at once, and the time after which there is room for one more. */
const OF_TYPE = { atOnce: 100, everyMillis: 10_000 }
const OF_ADDRESS = { atOnce: 20, everyMillis: 60_000 }
/** Addresses whose rows are counted, those that came last. */
const MAX_ADDRESSES = 1_024
/** Events that are told apart. */
const MAX_OPEN = 4_096

/** How many came since `since`, of one event or of all of a type that had no room. */
interface Count {
  readonly event: AuditEvent
  count: number
  since: number
  windowMillis: number
}

export const make = (): Folding => {
  const open = new Map<string, Count>()
  const others = new Map<AuditEventType, Count>()
  const ofType = roomOf(OF_TYPE, Infinity)
  const ofAddress = roomOf(OF_ADDRESS, MAX_ADDRESSES)
  let noted: Array<Noted> = []

  const takeRoom = (event: AuditEvent, now: number): boolean => {
    const { from } = event.payload
    const isWithin = typeof from !== "string" || ofAddress(JSON.stringify([event.type, from]), now)
    return isWithin && ofType(event.type, now)
  }

  const begin = (event: AuditEvent, now: number, count: number): Count => ({
    event,
    count,
    since: now,
    windowMillis: FIRST_WINDOW_MILLIS
  })

  const countOther = (type: AuditEventType, now: number, more: number) => {
    const other = others.get(type)
    if (other === undefined) others.set(type, begin({ type, agentId: "", payload: {} }, now, more))
    else other.count += more
  }

  /** Writes a count down once its while is over; answers whether nothing came in it. */
  const closes = (each: Count, now: number, isDue: boolean, name: "repeated" | "others"): boolean => {
    if (!isDue && now - each.since < each.windowMillis) return false
    if (each.count === 0) return true
    if (name === "repeated" && !takeRoom(each.event, now)) countOther(each.event.type, now, each.count)
    else {
      const seconds = Math.round((now - each.since) / 1000)
      noted.push({ ...each.event, payload: { ...each.event.payload, [name]: each.count, seconds }, atMillis: now })
    }
    each.count = 0
    each.since = now
    each.windowMillis = Math.min(2 * each.windowMillis, LAST_WINDOW_MILLIS)
    return false
  }

  return {
    add: (event, now) => {
      const key = keyOf(event)
      const same = open.get(key)
      if (same !== undefined) {
        same.count++
        return
      }
      if (open.size >= MAX_OPEN || !takeRoom(event, now)) return countOther(event.type, now, 1)
      open.set(key, begin(event, now, 0))
      noted.push({ ...event, atMillis: now })
    },
    drain: (now, all) => {
      for (const [key, each] of open) if (closes(each, now, all === "all", "repeated")) open.delete(key)
      for (const [type, each] of others) if (closes(each, now, all === "all", "others")) others.delete(type)
      const drained = noted
      noted = []
      return drained
    }
  }
}

/** Takes room for one more of its kind, where there is some: what is used up comes back with time. */
const roomOf = ({ atOnce, everyMillis }: typeof OF_TYPE, most: number) => {
  const left = new Map<string, { readonly rows: number; readonly at: number }>()
  return (kind: string, now: number): boolean => {
    const before = left.get(kind) ?? { rows: atOnce, at: now }
    const rows = Math.min(atOnce, before.rows + Math.max(0, now - before.at) / everyMillis)
    left.delete(kind)
    left.set(kind, { rows: rows < 1 ? rows : rows - 1, at: now })
    const [oldest] = left.keys()
    if (left.size > most && oldest !== undefined) left.delete(oldest)
    return rows >= 1
  }
}

/** A time in it makes no other event of it. */
const keyOf = ({ agentId, payload, type }: AuditEvent): string =>
  sortedJson([type, agentId, { ...payload, timestamp: undefined }])
