import type Database from "better-sqlite3"
import * as Schema from "effect/Schema"
import type { Link } from "../../domain/Link.js"
import { allows, type Namespaces } from "../../domain/namespaces.js"
import type { Payload } from "../../replication/kinds.js"
import type { Operation, VersionRef } from "../../replication/Operation.js"
import { formerNames, withoutNames } from "../../replication/reissue.js"
import { one } from "../log/statements.js"
import * as Versions from "../log/versions.js"
import { liveIdSql } from "./liveId.js"

/*
 * Which namespaces an operation touches: those of what it gives, and of the versions that it ends, which may have moved since. What
 * can not be told here is null, and allowed to nobody who is limited.
 */

type Told = ReadonlyArray<string | null>

export interface Touched {
  /** Null for what gives nothing. */
  readonly gives: Told | null
  readonly ends: Told
}

/** Whether a peer that is limited to these may have brought it about. */
export const mayTouch = ({ ends, gives }: Touched, namespaces: Namespaces): boolean =>
  [...gives ?? [], ...ends].every(isAmong(namespaces))

/** What a peer that is limited to these gets of it: all, or that it ends something, or only that it is there. */
export const shown = ({ ends, gives }: Touched, namespaces: Namespaces): "whole" | "ends" | "name" => {
  const endsAny = ends.some(isAmong(namespaces))
  if (gives === null) return endsAny ? "whole" : "name"
  return gives.every(isAmong(namespaces)) ? "whole" : endsAny ? "ends" : "name"
}

const isAmong = (namespaces: Namespaces) => (namespace: string | null) =>
  namespace !== null && allows(namespaces, namespace)

const Named = Schema.Struct({ namespace: Schema.NullOr(Schema.String) })

/** What is known of where things are, by what names them. */
const lookups = (db: Database.Database) => {
  const version = one(db, Named, "SELECT namespace FROM memories WHERE id = ? AND updated_at = ? AND origin = ?")
  const standing = one(
    db,
    Named,
    `WITH given (id) AS (SELECT ?) SELECT m.namespace FROM given CROSS JOIN memories m ON m.id = ${
      liveIdSql("given.id")
    }`
  )
  const pending = one(
    db,
    Named,
    "SELECT json_extract(body, '$.namespace') AS namespace FROM objects WHERE type = 'pending' AND key = ? LIMIT 1"
  )
  const versions = Versions.make(db)
  const ofId = (id: string): string | null => standing(id)?.namespace ?? null
  const ofLink = ({ source_id, target_id }: Link): Told => [ofId(source_id), ofId(target_id)]

  return {
    ofId,
    ofLink,
    ofAction: (id: string): string | null => pending(id)?.namespace ?? null,
    ofVersion: (ref: VersionRef): string | null => {
      const here = version(ref.id, ref.hlc, ref.origin)
      return here === null ? versions.ofMemory(ref)?.memory.namespace ?? null : here.namespace
    },
    ofLinkVersion: (ref: VersionRef): Told => {
      for (const payload of versions.given(ref)) if (payload.kind === "link") return ofLink(payload.link)
      return [null]
    }
  }
}

export const make = (db: Database.Database) => {
  const where = lookups(db)
  return (operation: Operation, payload: Payload): Touched => ({
    gives: givenBy(where, payload),
    ends: endedBy(where, operation, payload)
  })
}

/** Where the memory is that an id stands for; null where none is there. */
export const placesOf = (db: Database.Database): (id: string) => string | null => lookups(db).ofId

type Where = ReturnType<typeof lookups>

const givenBy = (where: Where, payload: Payload): Told | null => {
  switch (payload.kind) {
    case "store":
    case "archive":
    case "restore":
    case "consolidate":
      return [payload.memory.namespace]
    case "delete":
    case "unlink":
    case "namespace_meta_clear":
    case "release":
    case "unsubscribe":
      return null
    // Whose writes they are tells nothing of where: nobody who is limited sets them aside for others.
    case "quarantine":
    // It hears of all of them.
    case "subscription":
    case "delivery":
      return [null]
    case "link":
      return where.ofLink(payload.link)
    case "pending": {
      const { action: { action_type, memory_id: id, namespace } } = payload
      return [namespace, ...id === null || action_type === "store" ? [] : [where.ofId(id)]]
    }
    case "vote":
      return [where.ofAction(payload.vote.id)]
    case "decision": {
      const { id, memory } = payload.decision
      return [where.ofAction(id), ...memory === undefined ? [] : [memory.namespace]]
    }
    case "namespace_meta":
      return [payload.meta.namespace]
    case "earn": {
      const { hlc, memory_id: id, origin } = payload.earned
      return [where.ofVersion({ id, hlc, origin }) ?? where.ofId(id)]
    }
  }
}

const endedBy = (where: Where, operation: Operation, payload: Payload): Told => {
  const { covers, entity } = withoutNames(operation)
  switch (payload.kind) {
    case "link":
    case "unlink":
      return covers.flatMap(where.ofLinkVersion)
    case "namespace_meta":
    case "namespace_meta_clear":
      return covers.length === 0 ? [] : [entity]
    case "earn":
      return []
    case "quarantine":
    case "release":
    case "unsubscribe":
      return [null]
    case "subscription":
    case "delivery":
      return []
    default:
      return covers.map(where.ofVersion)
  }
}

/** Whether an operation stands for one that its reader may hold under another name. */
export const hadOtherNames = (operation: Operation): boolean => formerNames(operation).length > 0
