import * as OtelResource from "@effect/opentelemetry/Resource"
import * as OtelTracer from "@effect/opentelemetry/Tracer"
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base"
import { NodeTracerProvider } from "@opentelemetry/sdk-trace-node"
import * as Duration from "effect/Duration"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as NodeConfig from "../../src/config/NodeConfig.js"
import { NodeId } from "../../src/domain/ids.js"
import * as MemoryNode from "../../src/MemoryNode.js"

/** Where the spans of all nodes of this process end. */
export const exporter = new InMemorySpanExporter()

/** A whole node in this process, whose spans go to the exporter. Its resource tells the two apart. */
export const startNode = (nodeId: string, port: number, peer: number, catchupInterval = Duration.zero) => {
  const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  const tracer = OtelTracer.layer.pipe(
    Layer.provide(Layer.succeed(OtelTracer.OtelTracerProvider, provider)),
    Layer.provide(OtelResource.layer({ serviceName: nodeId }))
  )
  return ManagedRuntime.make(
    MemoryNode.layerDaemon.pipe(
      Layer.provide(NodeConfig.layerWith({
        port,
        db: ":memory:",
        nodeId: Option.some(NodeId.make(nodeId)),
        quorumPeers: [`http://127.0.0.1:${peer}`],
        quorumWrites: Option.some(2),
        catchupInterval,
        shutdownGrace: Duration.seconds(1)
      })),
      Layer.provideMerge(tracer),
      Layer.provide(Logger.remove(Logger.defaultLogger))
    )
  )
}

/** The names from a span up to the root of its trace. */
export const pathOf = (span: ReadableSpan, all: ReadonlyArray<ReadableSpan>): ReadonlyArray<string> => {
  const parent = all.find((other) => other.spanContext().spanId === span.parentSpanContext?.spanId)
  return parent === undefined ? [span.name] : [span.name, ...pathOf(parent, all)]
}
