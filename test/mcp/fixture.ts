import {
  acceptedContent,
  type CallToolResult,
  CLIENT_CAPABILITIES_META_KEY,
  createRequestStateCodec,
  inputRequired,
  type InputRequiredResult,
  inputResponse,
  isInitializeRequest,
  isLegacyRequest,
  ResourceNotFoundError,
  Server,
  type ServerContext,
  WebStandardStreamableHTTPServerTransport
} from "@modelcontextprotocol/server"
import { randomUUID } from "node:crypto"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { setTimeout as sleep } from "node:timers/promises"
import * as Site from "../../src/http/server/Site.js"
import { asWeb } from "../../src/mcp/Mcp.js"
import { handler } from "../../src/mcp/protocol.js"

/*
 * A server with what the suite of the protocol wants to see, behind the handler and the rule on sites of a node. Where a client of
 * the older era has to be asked something in the middle of a call, it has a session, which a node does not keep.
 */

const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
const WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="

const text = (text: string) => ({ type: "text" as const, text })
const image = { type: "image" as const, data: PNG, mimeType: "image/png" }
const said = (what: string): CallToolResult => ({ content: [text(what)] })
const strings = (...names: ReadonlyArray<string>) => ({
  type: "object" as const,
  properties: Object.fromEntries(names.map((name) => [name, { type: "string" as const }])),
  required: [...names]
})

const codec = createRequestStateCodec<{ readonly step: number }>({ key: randomUUID() + randomUUID() })

type Run = (
  context: ServerContext,
  given: Record<string, unknown>
) => Promise<CallToolResult | InputRequiredResult> | CallToolResult | InputRequiredResult

const askName = (message = "What is your name?") => inputRequired.elicit({ message, requestedSchema: strings("name") })
const askSampling = (prompt: string, maxTokens: number) =>
  inputRequired.createMessage({ messages: [{ role: "user", content: text(prompt) }], maxTokens })

const logging: Run = async ({ mcpReq }) => {
  for (const line of ["Tool execution started", "Tool processing data", "Tool execution completed"]) {
    await mcpReq.log("info", line)
    await sleep(20)
  }
  return said("logged")
}

const progress: Run = async ({ mcpReq }) => {
  const progressToken = mcpReq._meta?.progressToken
  for (const done of [0, 50, 100]) {
    if (progressToken !== undefined) {
      await mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress: done, total: 100 } })
    }
    await sleep(20)
  }
  return said("done")
}

/** Asks once, and says what it was told. */
const asking =
  (key: string, request: () => ReturnType<typeof inputRequired.listRoots>, prefix: string): Run => ({ mcpReq }) => {
    const answer = inputResponse(mcpReq.inputResponses, key)
    if (answer.kind === "missing") return inputRequired({ inputRequests: { [key]: request() } })
    if (answer.kind === "elicit") {
      return said(`${prefix}action=${answer.action}, content=${JSON.stringify(answer.content ?? {})}`)
    }
    return said(`${prefix}${JSON.stringify(answer)}`)
  }

const defaults = {
  type: "object" as const,
  properties: {
    name: { type: "string" as const, default: "John Doe" },
    age: { type: "integer" as const, default: 30 },
    score: { type: "number" as const, default: 95.5 },
    status: { type: "string" as const, enum: ["active", "inactive", "pending"], default: "active" },
    verified: { type: "boolean" as const, default: true }
  },
  required: []
}

const titled = ["First", "Second", "Third"]
const enums = {
  type: "object" as const,
  properties: {
    untitledSingle: { type: "string" as const, enum: ["option1", "option2", "option3"] },
    titledSingle: {
      type: "string" as const,
      oneOf: titled.map((title, at) => ({ const: `value${at + 1}`, title: `${title} Option` }))
    },
    legacyEnum: {
      type: "string" as const,
      enum: ["opt1", "opt2", "opt3"],
      enumNames: ["Option One", "Option Two", "Option Three"]
    },
    untitledMulti: {
      type: "array" as const,
      items: { type: "string" as const, enum: ["option1", "option2", "option3"] }
    },
    titledMulti: {
      type: "array" as const,
      items: { anyOf: titled.map((title, at) => ({ const: `value${at + 1}`, title: `${title} Choice` })) }
    }
  },
  required: []
}

const state: Run = async (context) => {
  const known = context.mcpReq.requestState<{ readonly step: number }>()
  if (known === undefined || acceptedContent(context.mcpReq.inputResponses, "confirm") === undefined) {
    return inputRequired({
      inputRequests: {
        confirm: inputRequired.elicit({
          message: "Please confirm",
          requestedSchema: { type: "object", properties: { ok: { type: "boolean" } }, required: ["ok"] }
        })
      },
      requestState: await codec.mint({ step: 1 }, context)
    })
  }
  return said("state-ok")
}

const several: Run = async (context) => {
  const given = context.mcpReq.inputResponses ?? {}
  const keys = ["user_name", "greeting", "client_roots"]
  return keys.every((key) => key in given) ? said("all there") : inputRequired({
    inputRequests: {
      user_name: askName(),
      greeting: askSampling("Generate a greeting", 50),
      client_roots: inputRequired.listRoots()
    },
    requestState: await codec.mint({ step: 1 }, context)
  })
}

const rounds: Run = async (context) => {
  const { step } = context.mcpReq.requestState<{ readonly step: number }>() ?? { step: 0 }
  if (step === 2) return said("two rounds")
  return inputRequired({
    inputRequests: step === 0
      ? { step1: askName("Step 1: What is your name?") }
      : {
        step2: inputRequired.elicit({
          message: "Step 2: What is your favorite color?",
          requestedSchema: strings("color")
        })
      },
    requestState: await codec.mint({ step: step + 1 }, context)
  })
}

/** Asks for what the client can do alone. */
const capable: Run = ({ mcpReq }) => {
  const envelope: Record<string, unknown> = { ...mcpReq.envelope }
  const can = { ...Object(envelope[CLIENT_CAPABILITIES_META_KEY]) }
  return inputRequired({
    inputRequests: {
      ...("sampling" in can ? { greeting: askSampling("Generate a greeting", 50) } : {}),
      ...("elicitation" in can ? { user_name: askName() } : {})
    }
  })
}

const named = asking("user_name", askName, "Hello, ")

const tools: Readonly<Record<string, { readonly run: Run; readonly takes?: ReadonlyArray<string> }>> = {
  test_simple_text: { run: () => said("This is a simple text response for testing.") },
  test_image_content: { run: () => ({ content: [image] }) },
  test_audio_content: { run: () => ({ content: [{ type: "audio", data: WAV, mimeType: "audio/wav" }] }) },
  test_embedded_resource: {
    run: () => ({
      content: [{
        type: "resource",
        resource: {
          uri: "test://embedded-resource",
          mimeType: "text/plain",
          text: "This is an embedded resource content."
        }
      }]
    })
  },
  test_multiple_content_types: {
    run: () => ({
      content: [text("Multiple content types test:"), image, {
        type: "resource",
        resource: {
          uri: "test://mixed-content-resource",
          mimeType: "application/json",
          text: "{\"test\":\"data\",\"value\":123}"
        }
      }]
    })
  },
  test_tool_with_logging: { run: logging },
  test_logging_tool: { run: logging },
  test_error_handling: {
    run: () => ({ content: [text("This tool intentionally returns an error for testing")], isError: true })
  },
  test_tool_with_progress: { run: progress },
  test_sampling: {
    takes: ["prompt"],
    run: (context, { prompt }) =>
      asking("answer", () => askSampling(String(prompt), 100), "LLM response: ")(context, {})
  },
  test_elicitation: {
    takes: ["message"],
    run: (context, { message }) =>
      asking(
        "answer",
        () => inputRequired.elicit({ message: String(message), requestedSchema: strings("username", "email") }),
        "User response: "
      )(context, {})
  },
  test_elicitation_sep1034_defaults: {
    run: asking(
      "answer",
      () => inputRequired.elicit({ message: "Defaults", requestedSchema: defaults }),
      "Elicitation completed: "
    )
  },
  test_elicitation_sep1330_enums: {
    run: asking(
      "answer",
      () => inputRequired.elicit({ message: "Enums", requestedSchema: enums }),
      "Elicitation completed: "
    )
  },
  test_input_required_result_elicitation: { run: named },
  test_streaming_elicitation: { run: named },
  test_missing_capability: { run: asking("answer", () => askSampling("What?", 10), "") },
  test_input_required_result_sampling: {
    run: asking("capital_question", () => askSampling("What is the capital of France?", 100), "")
  },
  test_input_required_result_list_roots: { run: asking("client_roots", inputRequired.listRoots, "") },
  test_input_required_result_request_state: { run: state },
  test_input_required_result_tampered_state: { run: state },
  test_input_required_result_multiple_inputs: { run: several },
  test_input_required_result_multi_round: { run: rounds },
  test_input_required_result_capabilities: { run: capable }
}

const serverOf = (): Server => {
  const server = new Server({ name: "fixture", version: "1" }, {
    capabilities: { tools: {}, resources: { subscribe: true }, prompts: {}, completions: {}, logging: {} },
    requestState: { verify: codec.verify }
  })
  server.setRequestHandler("tools/list", () => ({
    tools: Object.entries(tools).map(([name, { takes }]) => ({
      name,
      description: `of the suite: ${name}`,
      inputSchema: takes === undefined ? { type: "object" as const } : strings(...takes)
    }))
  }))
  server.setRequestHandler("tools/call", ({ params: { arguments: given = {}, name } }, context) => {
    const tool = tools[name]
    return tool === undefined ? { ...said("no such tool"), isError: true } : tool.run(context, given)
  })
  server.setRequestHandler("resources/subscribe", () => ({}))
  server.setRequestHandler("resources/unsubscribe", () => ({}))
  server.setRequestHandler(
    "completion/complete",
    () => ({ completion: { values: ["paris"], total: 1, hasMore: false } })
  )
  serveResources(server)
  servePrompts(server)
  return server
}

const serveResources = (server: Server) => {
  const all = [
    { uri: "test://static-text", mimeType: "text/plain", text: "This is the content of the static text resource." },
    { uri: "test://static-binary", mimeType: "image/png", blob: PNG },
    { uri: "test://watched-resource", mimeType: "text/plain", text: "watched" }
  ]
  server.setRequestHandler("resources/list", () => ({
    resources: all.map(({ mimeType, uri }) => ({ uri, mimeType, name: uri, description: uri }))
  }))
  server.setRequestHandler("resources/templates/list", () => ({
    resourceTemplates: [{ uriTemplate: "test://template/{id}/data", name: "template", mimeType: "application/json" }]
  }))
  server.setRequestHandler("resources/read", ({ params: { uri } }) => {
    const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1]
    const shown = id === undefined ? all.find((each) => each.uri === uri) : {
      uri,
      mimeType: "application/json",
      text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` })
    }
    if (shown === undefined) throw new ResourceNotFoundError(uri)
    return { contents: [shown] }
  })
}

const servePrompts = (server: Server) => {
  const prompts = {
    test_simple_prompt: [],
    test_prompt_with_arguments: ["arg1", "arg2"],
    test_prompt_with_embedded_resource: ["resourceUri"],
    test_prompt_with_image: [],
    test_input_required_result_prompt: []
  }
  const user = <A>(content: A) => ({ role: "user" as const, content })
  server.setRequestHandler("prompts/list", () => ({
    prompts: Object.entries(prompts).map(([name, takes]) => ({
      name,
      description: `of the suite: ${name}`,
      arguments: takes.map((each) => ({ name: each, description: each, required: true }))
    }))
  }))
  server.setRequestHandler("prompts/get", ({ params: { arguments: given = {}, name } }, { mcpReq }) => {
    switch (name) {
      case "test_prompt_with_arguments":
        return { messages: [user(text(`Prompt with arguments: arg1='${given["arg1"]}', arg2='${given["arg2"]}'`))] }
      case "test_prompt_with_embedded_resource":
        return {
          messages: [
            user({
              type: "resource" as const,
              resource: {
                uri: given["resourceUri"] ?? "",
                mimeType: "text/plain",
                text: "Embedded resource content for testing."
              }
            }),
            user(text("Please process the embedded resource above."))
          ]
        }
      case "test_prompt_with_image":
        return { messages: [user(image), user(text("Please analyze the image above."))] }
      case "test_input_required_result_prompt":
        return acceptedContent(mcpReq.inputResponses, "user_context") === undefined
          ? inputRequired({
            inputRequests: {
              user_context: inputRequired.elicit({
                message: "What context should the prompt use?",
                requestedSchema: strings("context")
              })
            }
          })
          : { messages: [user(text("with a context"))] }
      default:
        return { messages: [user(text("This is a simple prompt for testing."))] }
    }
  })
}

/** Serves it on a free port of loopback. */
export const start = async (): Promise<{ readonly url: string; readonly stop: () => void }> => {
  const site = Site.make({ host: "127.0.0.1", allowedHosts: [], allowedOrigins: [] })
  const modern = handler(serverOf, { onError: () => {} })
  const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>()

  const ofSession = async (request: Request, message: unknown): Promise<Response> => {
    const known = sessions.get(request.headers.get("mcp-session-id") ?? "")
    if (known !== undefined) return known.handleRequest(request, message === undefined ? {} : { parsedBody: message })
    if (!isInitializeRequest(message)) return new Response(null, { status: 404 })
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => {
        sessions.set(id, transport)
      }
    })
    await serverOf().connect(transport)
    return transport.handleRequest(request, { parsedBody: message })
  }

  const answer = async (message: IncomingMessage, response: ServerResponse): Promise<void> => {
    const refused = site.refusal(message)
    if (refused !== undefined) {
      response.writeHead(refused.status).end(JSON.stringify({ error: refused.message }))
      return
    }
    const parts: Array<Buffer> = []
    for await (const part of message) parts.push(part)
    const body: unknown = parts.length === 0 ? undefined : JSON.parse(Buffer.concat(parts).toString("utf8"))
    const gone = new AbortController()
    response.once("close", () => gone.abort())
    const request = asWeb(message, gone.signal)
    const isOlder = message.method !== "POST" || await isLegacyRequest(request, body)
    const answered = await (isOlder ? ofSession(request, body) : modern.fetch(request, { parsedBody: body }))
    response.writeHead(answered.status, Object.fromEntries(answered.headers))
    if (answered.body !== null) {
      for await (const part of answered.body) response.write(part)
    }
    response.end()
  }

  const server = createServer((message, response) => {
    answer(message, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  const port = address !== null && typeof address === "object" ? address.port : 0
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    stop: () => {
      server.closeAllConnections()
      server.close()
    }
  }
}
