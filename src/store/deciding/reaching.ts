import * as Either from "effect/Either"
import * as Link from "../../domain/Link.js"
import { allows, type Namespaces } from "../../domain/namespaces.js"
import * as PendingAction from "../../domain/PendingAction.js"
import type { ObjectType, ObjectVersion } from "../state/Slice.js"
import { liveId } from "./liveId.js"
import type { Held, View } from "./Transaction.js"

/**
 * A view of what is in some namespaces: what is elsewhere is not there. Standards are, as they hold for who is below them, too; the
 * memories that they are in only `whole` shows.
 */
export const reaching = (view: View, reach: Namespaces): View => {
  const inReach = (held: Held | null): Held | null =>
    held !== null && allows(reach, held.memory.namespace) ? held : null
  const looking = { byId: (id: string) => inReach(view.byId(id)), alias: view.alias }

  const isActionInReach = (id: string): boolean => {
    const action = view.current("pending", id)
    if (action === null) return false
    const { namespace } = Either.getOrThrow(PendingAction.decode(JSON.parse(action.body)))
    return allows(reach, namespace)
  }
  const isShown = (type: ObjectType, key: string, { body }: ObjectVersion): boolean => {
    switch (type) {
      case "link": {
        const { source_id, target_id } = Either.getOrThrow(Link.decode(JSON.parse(body)))
        return liveId(looking, source_id) !== null && liveId(looking, target_id) !== null
      }
      case "pending":
      case "vote":
      case "decision":
        return isActionInReach(key)
      case "namespace_meta":
      case "earned":
        return true
      case "quarantine":
      case "subscription":
      case "delivery":
        return false
    }
  }

  return {
    ...view,
    ...looking,
    given: (ref) => {
      const given = view.given(ref)
      return given !== null && allows(reach, given.memory.namespace) ? given : null
    },
    archivedById: (id) => inReach(view.archivedById(id)),
    holder: (namespace, title) => inReach(view.holder(namespace, title)),
    current: (type, key) => {
      const version = view.current(type, key)
      return version !== null && isShown(type, key, version) ? version : null
    },
    versions: (type, key) => view.versions(type, key).filter((version) => isShown(type, key, version))
  }
}
