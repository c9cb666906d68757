import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import { checkText } from "../../domain/checks.js"
import { MAX_ALIAS_BYTES } from "../../domain/limits.js"
import type { Memory } from "../../domain/Memory.js"
import type { Invalid } from "../../domain/validate.js"
import * as validate from "../../domain/validate.js"
import { Directory } from "../../store/read/Directory.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import type { ReadFailed } from "../errors.js"

/** The entity that has this name, as its canonical one or as another, exactly; the canonical one goes first. */
export const entityByAlias = (
  request: { readonly alias: string; readonly namespace?: string | undefined }
): Effect.Effect<Option.Option<Memory>, Invalid | ReadFailed, Directory> =>
  Effect.gen(function*() {
    const directory = yield* Directory
    const alias = yield* checkText("alias", request.alias, MAX_ALIAS_BYTES)
    const namespace = request.namespace === undefined ? undefined : yield* validate.namespace(request.namespace)
    return yield* directory.find(alias, namespace)
  }).pipe(hotSpan("entityByAlias"))
