import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { it } from "vitest"
import * as DurableRooms from "../../src/durable/DurableRooms.ts"
import * as RoomObject from "../../src/durable/RoomObject.ts"
import * as ApiToken from "../../src/http/ApiToken.ts"
import * as Inspector from "../../src/inspector/Inspector.ts"
import * as InspectorRoom from "../../src/inspector/InspectorRoom.ts"
import * as InspectorRoutes from "../../src/inspector/InspectorRoutes.ts"
import * as Room from "../../src/services/Room.ts"

declare global {
  namespace Cloudflare {
    interface Env {
      readonly WINDOW: DurableObjectNamespace<WindowRoom>
      readonly INSPECTOR: DurableObjectNamespace<WindowInspector>
    }
  }
}

const Window = Room.make("window", { receive: Schema.String, send: Schema.String })

const WindowLive = Window.toLayer({})

export class WindowInspector extends RoomObject.make(InspectorRoom.InspectorRoom, InspectorRoom.layer) {}

const InspectorLive = Inspector.layer.pipe(
  Layer.provide(DurableRooms.layer(InspectorRoom.InspectorRoom, "INSPECTOR"))
)

export class WindowRoom extends RoomObject.make(Window, Layer.merge(WindowLive, InspectorLive)) {}

const TransparentWindow = Layer.merge(WindowLive, Inspector.layer)

const answer = InspectorRoutes.make(Window, { authorize: ApiToken.authorize(Redacted.make("the token")) })

declare const compiles: (...calls: ReadonlyArray<unknown>) => void

it("the rooms of who looks are those of the inspector's room", () => {
  compiles(
    TransparentWindow,
    answer,
    DurableRooms.layer(Window, "WINDOW"),
    // @ts-expect-error: the binding holds other rooms
    DurableRooms.layer(InspectorRoom.InspectorRoom, "WINDOW"),
    // @ts-expect-error: there is no such binding
    DurableRooms.layer(InspectorRoom.InspectorRoom, "NOWHERE")
  )
})
