import type * as Link from "../../domain/Link.js"
import type { NamespaceMeta } from "../../domain/NamespaceMeta.js"
import type * as PendingAction from "../../domain/PendingAction.js"
import { linkId } from "../../replication/kinds.js"
import * as governed from "../../store/deciding/governed.js"
import * as standards from "../../store/deciding/standards.js"
import type { Batch, Entry } from "../../store/MemoryStore.js"

/** The operations that a link, a standard or a pending action took: none where all of it was here already. */
type BroughtObject = ReadonlyArray<Entry>

/** A triple that is there already stays as it is. Its ends may come later. */
export const bringLink = (batch: Batch, link: Link.Link): BroughtObject =>
  batch.now().current("link", linkId(link)) === null
    ? [batch.write({ payload: { kind: "link", link }, baseHlc: null, covers: [] })]
    : []

/** The standard of a namespace, unless a newer one is set here. Its memory may come later. */
export const bringStandard = (batch: Batch, meta: NamespaceMeta): BroughtObject => {
  const now = batch.now()
  const known = standards.find(now, meta.namespace)
  const isSame = known?.standard_id === meta.standard_id && known.parent_namespace === meta.parent_namespace
  if (known !== null && (isSame || known.updated_at >= meta.updated_at)) return []
  const covers = standards.versions(now, meta.namespace)
  return [batch.write({ payload: { kind: "namespace_meta", meta }, baseHlc: null, covers })]
}

/** An action with its votes and its decision, as far as they are new here. What it came to comes as a memory of its own. */
export const bringPending = (batch: Batch, action: PendingAction.Valid): BroughtObject =>
  governed.takeOver(batch, action)
