import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Api } from "../contract/Api.js"
import * as Answer from "../server/answer.js"
import * as Call from "./Call.js"
import * as conflicts from "./conflicts.js"
import * as deadLetters from "./deadLetters.js"

export const layer = HttpApiBuilder.group(Api, "federation", (handlers) =>
  handlers
    .handle("conflicts", ({ urlParams }) => Answer.refusals(conflicts.list(urlParams)))
    .handleRaw("resolveConflict", ({ path, request }) => Call.writeBody(request, conflicts.resolve, path.id))
    .handle("deadLetters", ({ urlParams }) => Answer.refusals(deadLetters.list(urlParams)))
    .handle("deadLetter", ({ path }) => Answer.refusals(deadLetters.get(path.id)))
    .handleRaw("retryDeadLetter", ({ path, request }) => Call.write(deadLetters.retry(Call.of(request, path.id))))
    .handleRaw("discardDeadLetter", ({ path, request }) => Call.write(deadLetters.discard(Call.of(request, path.id)))))
