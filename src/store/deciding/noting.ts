import type * as Stamp from "../../domain/Stamp.js"
import type { View } from "./Transaction.js"

/** A view that notes the stamps of the versions that it shows: what is decided by them is to come after them. */
export const noting = (view: View, note: (stamp: Stamp.Stamp) => void): View => {
  const each = <A>(stampOf: (shown: A) => Stamp.Stamp) => (shown: ReadonlyArray<A>): ReadonlyArray<A> => {
    for (const one of shown) note(stampOf(one))
    return shown
  }
  const maybe = <A>(stampOf: (shown: A) => Stamp.Stamp) => (shown: A | null): A | null => {
    if (shown !== null) note(stampOf(shown))
    return shown
  }
  const held = maybe<NonNullable<ReturnType<View["byId"]>>>(({ version }) => version.hlc)
  const ended = maybe<Stamp.Stamp>((stamp) => stamp)
  const object = maybe<NonNullable<ReturnType<View["current"]>>>(({ ref }) => ref.hlc)
  const objects = each<ReturnType<View["versions"]>[number]>(({ ref }) => ref.hlc)
  const refs = each<ReturnType<View["claims"]>[number]>(({ hlc }) => hlc)
  return {
    ...view,
    byId: (id) => held(view.byId(id)),
    archivedById: (id) => held(view.archivedById(id)),
    holder: (namespace, title) => held(view.holder(namespace, title)),
    claims: (namespace, title) => refs(view.claims(namespace, title)),
    endable: (memory) => refs(view.endable(memory)),
    replaceable: (memory) => refs(view.replaceable(memory)),
    endedUntil: (id) => ended(view.endedUntil(id)),
    current: (type, key) => object(view.current(type, key)),
    versions: (type, key) => objects(view.versions(type, key))
  }
}
