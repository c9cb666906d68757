import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { MessageChannel, Worker } from "node:worker_threads"
import { EmbeddingFailed } from "./Embedder.js"

/** For one text, and the first one has the model loaded. */
const DEADLINE = Duration.seconds(30)
/** After a thread has ended that had made nothing. */
const REST = Duration.seconds(5)

/** What has the vector of a text made, one text at a time: by one thread, and by another one when that has ended. */
type Thread = (text: string) => Effect.Effect<Float32Array, EmbeddingFailed>

/**
 * A thread that begins with the first text and ends with the scope. It gets messages of a text and a port each, and answers there
 * with a vector.
 */
export const make = (
  source: string,
  workerData: Readonly<Record<string, string>>
): Effect.Effect<Thread, never, Scope.Scope> =>
  Effect.gen(function*() {
    const turn = yield* Effect.makeSemaphore(1)
    let running: Worker | undefined
    let restUntil = 0
    /** Whether the thread has made anything yet. */
    let works = false
    yield* Effect.addFinalizer(() => Effect.promise(async () => running?.terminate()))

    const begun = Effect.gen(function*() {
      if (running !== undefined) return running
      const now = yield* Clock.currentTimeMillis
      if (now < restUntil) yield* Effect.sleep(restUntil - now)
      const worker = new Worker(source, { eval: true, workerData, env: {} })
      const forget = () => {
        if (running === worker) running = undefined
      }
      // One that ends while nobody waits for it is begun anew by the next text.
      worker.on("error", forget).on("exit", forget)
      works = false
      running = worker
      return worker
    })

    const failed = (worker: Worker) =>
      Effect.gen(function*() {
        if (!works) restUntil = (yield* Clock.currentTimeMillis) + Duration.toMillis(REST)
        if (running === worker) running = undefined
        yield* Effect.promise(() => worker.terminate())
      })

    return (text) =>
      turn.withPermits(1)(Effect.flatMap(begun, (worker) =>
        answerOf(worker, text).pipe(
          Effect.timeoutFail({
            duration: DEADLINE,
            onTimeout: () => unavailable(`no answer of its thread within ${Duration.format(DEADLINE)}`)
          }),
          Effect.tap(() =>
            Effect.sync(() => {
              works = true
            })
          ),
          Effect.tapError(() => failed(worker))
        )))
  })

const answerOf = (worker: Worker, text: string) =>
  Effect.async<Float32Array, EmbeddingFailed>((resume) => {
    const { port1: answers, port2: port } = new MessageChannel()
    const end = (answer: Effect.Effect<Float32Array, EmbeddingFailed>) => {
      stop()
      resume(answer)
    }
    const onError = (error: Error) => end(Effect.fail(unavailable(`its thread ended: ${error.message}`)))
    const onExit = () => end(Effect.fail(unavailable("its thread ended")))
    const stop = () => {
      answers.close()
      worker.off("error", onError).off("exit", onExit)
    }
    worker.on("error", onError).on("exit", onExit)
    answers.once("message", (vector) =>
      end(isVector(vector) ? Effect.succeed(vector) : Effect.fail(unavailable("no vector came from its thread"))))
    worker.postMessage({ text, port }, [port])
    return Effect.sync(stop)
  })

const isVector = Schema.is(Schema.instanceOf(Float32Array))

const unavailable = (detail: string) => new EmbeddingFailed({ reason: "unavailable", detail })
