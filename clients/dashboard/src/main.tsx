import { render } from "preact";

import { App } from "./app";
import "./style.css";
import { apply } from "./ui/theme";

apply();
render(<App />, document.getElementById("app")!);
