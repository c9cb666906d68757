import * as Predicate from "effect/Predicate"
import type { Reply } from "../http/calls/Reply.js"
import type { ObjectSchema } from "./schemas.js"

/*
 * The answer of an endpoint as that of a tool. An agent reads it, so what went wrong comes with what to do about it.
 */

type Fields = { [name: string]: unknown }

interface Text {
  type: "text"
  text: string
}

/** The result of a call, as the protocol has it. */
export interface Outcome {
  [name: string]: unknown
  content: Array<Text>
  structuredContent?: Fields
  isError?: boolean
}

/** Of a success the fields that the tool's schema names, of all else the error. */
export const ofReply = (
  { outputSchema }: { readonly outputSchema: ObjectSchema },
  { body, status }: Pick<Reply, "body" | "status">
): Outcome => {
  const fields = fieldsOf(body)
  if (isQueued(fields)) return failure([queued(fields), JSON.stringify(fields)])
  if (status >= 400) return failure([errorOf(status, fields), JSON.stringify(omit(fields, "peers"))])
  const shown = Object.fromEntries(Object.entries(fields).filter(([name]) => name in outputSchema.properties))
  const remark = remarkOn(shown)
  return {
    content: [text(JSON.stringify(shown)), ...(remark === undefined ? [] : [text(remark)])],
    structuredContent: shown
  }
}

/** A call that came to nothing. */
const failure = (texts: ReadonlyArray<string>): Outcome => ({ content: texts.map(text), isError: true })

const text = (text: string): Text => ({ type: "text", text })

const fieldsOf = (body: Reply["body"]): Fields => {
  const parsed: unknown = JSON.parse(String(body))
  return Predicate.isRecord(parsed) ? { ...parsed } : {}
}

const omit = (fields: Fields, name: string): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([own]) => own !== name))

/** A write that rules hold back. A vote that was counted has no action in it: that is a success. */
const isQueued = ({ action, pending_id, status }: Fields): boolean =>
  status === "pending" && Predicate.isString(pending_id) && Predicate.isString(action)

const queued = ({ action, namespace, pending_id }: Fields): string =>
  `Not done yet: the rules of ${String(namespace)} ask for approval of a ${String(action)}. It waits as ${
    String(pending_id)
  }. Do not repeat it: tell the user that somebody has to approve it.`

/** What is to be said of a success. */
const remarkOn = ({ count, evidence }: Fields): string | undefined =>
  count === 0 && Predicate.isRecord(evidence)
    ? "Nothing known fits well enough. Say that you do not know, ask in other words, or take a lower abstain_below."
    : undefined

const errorOf = (status: number, fields: Fields): string => {
  const what = Predicate.isString(fields["error"]) ? fields["error"] : `the call ended with status ${status}`
  return `${what}. ${adviceOn(status, fields)}`
}

const adviceOn = (status: number, fields: Fields): string => {
  switch (status) {
    case 400:
    case 422:
      return Predicate.isString(fields["field"])
        ? `Correct ${fields["field"]}, and call again.`
        : "Correct the call by the input schema of the tool."
    case 401:
    case 403:
      return "Do not repeat it: tell the user what is not allowed, and that another API key or rule would be needed."
    case 404:
      return "Look for the right id with memory_recall or memory_list."
    case 409:
      return `Read ${
        String(fields["existing_id"])
      } with memory_get. Then change it with memory_update, or store with another ` +
        "title, or with on_conflict merge or version."
    case 412:
      return `Somebody changed it. Read it again with memory_get, and repeat the change with expected_version ${
        String(fields["current_version"])
      } if it still makes sense.`
    case 413:
      return "Send less: store the parts as memories of their own."
    case 429:
      return "Wait a few seconds, then call again."
    case 503:
      return fields["committed_locally"] === true
        ? `It is durable on ${String(fields["got"])} of the ${
          String(fields["needed"])
        } nodes that were asked for, and reaches ` +
          "the others by itself. Do not store it again; to wait for them, repeat the call with the same idempotency_key."
        : "Nothing was written. Wait a few seconds, then call again."
    default:
      return "The node has the cause in its log. Tell the user, and go on without it."
  }
}
