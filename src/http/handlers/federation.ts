import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Call from "../calls/Call.js"
import { Api } from "../contract/Api.js"
import * as conflicts from "../contract/conflicts.js"
import * as deadLetters from "../contract/deadLetters.js"
import * as Conflicts from "./conflicts.js"
import * as DeadLetters from "./deadLetters.js"

export const layer = HttpApiBuilder.group(Api, "federation", (handlers) =>
  handlers
    .handleRaw(...Call.read(conflicts.conflicts, Conflicts.list))
    .handleRaw(...Call.write(conflicts.resolve, Conflicts.resolve))
    .handleRaw(...Call.read(deadLetters.deadLetters, DeadLetters.list))
    .handleRaw(...Call.read(deadLetters.deadLetter, DeadLetters.get))
    .handleRaw(...Call.write(deadLetters.retryDeadLetter, DeadLetters.retry))
    .handleRaw(...Call.write(deadLetters.discardDeadLetter, DeadLetters.discard)))
