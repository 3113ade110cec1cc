/** A chart of the registry. plotly, which draws it, is loaded from the same server when the first one is looked at. */
import { useEffect, useRef, useState } from "preact/hooks";

import { Loading, Problem } from "./states";

interface Plotly {
  react(element: HTMLElement, data: unknown, layout: unknown, config: unknown): Promise<unknown>;
  purge(element: HTMLElement): void;
  downloadImage(element: HTMLElement, options: Record<string, unknown>): Promise<unknown>;
}

export interface Drawing {
  data?: unknown;
  layout?: Record<string, unknown>;
}

let loading: Promise<Plotly> | undefined;

function loadPlotly(): Promise<Plotly> {
  loading ??= new Promise<Plotly>((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "plotly.js";
    script.onload = () => resolve((globalThis as unknown as { Plotly: Plotly }).Plotly);
    script.onerror = () => {
      loading = undefined;
      reject(new Error("The drawing library cannot be loaded."));
    };
    document.head.append(script);
  });
  return loading;
}

const CONFIG = {
  responsive: true,
  displaylogo: false,
  showSendToCloud: false, // results are private
  displayModeBar: false,
};

export interface FigureProps {
  drawing: Drawing;
  title: string;
  /** Is told the range of time that the reader zooms into; undefined for everything. */
  onRange?: (range: { from: number; to: number } | undefined) => void;
}

export function Figure({ drawing, title, onRange }: FigureProps) {
  const box = useRef<HTMLDivElement>(null);
  const [error, setError] = useState<unknown>(undefined);
  const [isDrawn, setDrawn] = useState(false);
  const latest = useRef(onRange);
  latest.current = onRange;
  const height = Number(drawing.layout?.height ?? 450);
  useEffect(() => {
    let isGone = false;
    const element = box.current!;
    loadPlotly()
      .then(async (plotly) => {
        if (!isGone) {
          const layout = { ...drawing.layout, autosize: true, width: undefined };
          await plotly.react(element, drawing.data, layout, CONFIG);
          listen(element, (range) => latest.current?.(range));
          setDrawn(true);
        }
      })
      .catch(setError);
    return () => {
      isGone = true;
    };
  }, [drawing]);
  useEffect(
    () => () => {
      const element = box.current;
      if (element) {
        void loading?.then((plotly) => plotly.purge(element));
      }
    },
    [],
  );
  const save = (format: "png" | "svg") =>
    void loading?.then((plotly) => plotly.downloadImage(box.current!, { format, filename: title, width: 1200, height: Math.max(height, 500), scale: format === "png" ? 2 : 1 }));
  return (
    <div class="figure">
      <div class="tools right">
        <button type="button" onClick={() => save("png")} aria-label={`Save ${title} as PNG`}>
          PNG
        </button>
        <button type="button" onClick={() => save("svg")} aria-label={`Save ${title} as SVG`}>
          SVG
        </button>
      </div>
      {error !== undefined && <Problem error={error} />}
      {!isDrawn && error === undefined && <Loading height={height} />}
      <div ref={box} role="img" aria-label={title} style={{ minHeight: `${height}px` }} />
    </div>
  );
}

type PlotElement = HTMLElement & { on?: (name: string, call: (change: Record<string, unknown>) => void) => void; removeAllListeners?: (name: string) => void };

function listen(element: PlotElement, tell: (range: { from: number; to: number } | undefined) => void): void {
  element.removeAllListeners?.("plotly_relayout");
  element.on?.("plotly_relayout", (change) => {
    const from = change["xaxis.range[0]"];
    const to = change["xaxis.range[1]"];
    if (typeof from === "string" && typeof to === "string") {
      tell({ from: toSeconds(from), to: toSeconds(to) });
    } else if (change["xaxis.autorange"] === true) {
      tell(undefined);
    }
  });
}

/** plotly writes times without a zone; they are UTC. */
function toSeconds(text: string): number {
  return Date.parse(`${text.replace(" ", "T")}${text.length <= 10 ? "T00:00" : ""}Z`) / 1000;
}
