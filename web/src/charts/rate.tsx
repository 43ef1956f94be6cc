import { position, shift, subtract, type Decimal } from '@/lib/decimal'
import { dateTime, decimal, percent } from '@/lib/format'
import { cx } from '@/ui/cx'
import { useState, type KeyboardEvent, type PointerEvent } from 'react'
import { Figure, useWidth } from './figure'
import { rateFloor } from './scale'

export interface RatePoint {
  /** When the run ended, RFC 3339. */
  at: string
  rate: Decimal
  /** The run. */
  id: string
}

export interface RateLineProps {
  points: readonly RatePoint[]
  target?: Decimal | undefined
  /** A point was chosen: open its run. */
  onPick?: (id: string) => void
}

const height = 190
const margin = { top: 10, right: 12, bottom: 22, left: 44 }

/** The match rate over time, one point a run, against the target. */
export function RateLine({ points, target, onPick }: RateLineProps) {
  const [box, width] = useWidth<HTMLDivElement>()
  const [at, setAt] = useState<number>()
  const values = points.map((p) => position(p.rate, '0', '1'))
  const goal = target === undefined ? undefined : position(target, '0', '1')
  const floor = rateFloor(Math.min(...values, goal ?? 1))
  const first = points[0]
  const last = points.at(-1)
  const x = (i: number) =>
    margin.left + (points.length === 1 ? 0.5 : i / (points.length - 1)) * (width - margin.left - margin.right)
  const y = (v: number) => margin.top + (1 - (v - floor) / (1 - floor)) * (height - margin.top - margin.bottom)
  const lines = [0, 0.5, 1].map((t) => floor + t * (1 - floor))
  const shown = at === undefined ? undefined : points[at]

  const nearest = (event: PointerEvent<SVGElement>) => {
    const px = event.clientX - event.currentTarget.getBoundingClientRect().left
    const inner = Math.max(1, width - margin.left - margin.right)
    setAt(Math.min(points.length - 1, Math.max(0, Math.round(((px - margin.left) / inner) * (points.length - 1)))))
  }
  const key = (event: KeyboardEvent) => {
    const now = at ?? points.length - 1
    if (event.key === 'ArrowLeft') setAt(Math.max(0, now - 1))
    else if (event.key === 'ArrowRight') setAt(Math.min(points.length - 1, now + 1))
    else if (event.key === 'Enter' && shown) onPick?.(shown.id)
    else return
    event.preventDefault()
  }

  const description =
    first && last
      ? `${first === last ? `${percent(last.rate)} in the one run` : `${percent(first.rate)} at first, ${percent(last.rate)} in the last of ${points.length} runs`}${target === undefined ? '' : `; the target is ${percent(target)}`}.`
      : ''
  return (
    <Figure
      title="Match rate"
      description={description}
      empty="The rate of each run will be drawn here."
      table={{ head: ['Run ended', 'Match rate'], rows: points.map((p) => [dateTime(p.at), percent(p.rate)]) }}
    >
      <div ref={box} className="relative" style={{ height }}>
        {width > 0 && (
          <svg
            width={width}
            height={height}
            role="application"
            aria-label={`Match rate by run. Arrow keys go from run to run${onPick ? ', Enter opens one' : ''}.`}
            tabIndex={0}
            onPointerMove={nearest}
            onPointerLeave={() => setAt(undefined)}
            onBlur={() => setAt(undefined)}
            onKeyDown={key}
            onClick={() => shown && onPick?.(shown.id)}
            className={cx('rounded-sm', onPick && 'cursor-pointer')}
          >
            {lines.map((v) => (
              <g key={v}>
                <line x1={margin.left} x2={width - margin.right} y1={y(v)} y2={y(v)} stroke="var(--line)" />
                <text
                  x={margin.left - 6}
                  y={y(v) + 4}
                  textAnchor="end"
                  fontSize={11}
                  fill="var(--muted)"
                  className="num"
                >
                  {percent(v.toFixed(4), 1)}
                </text>
              </g>
            ))}
            {goal !== undefined && (
              <line
                x1={margin.left}
                x2={width - margin.right}
                y1={y(goal)}
                y2={y(goal)}
                stroke="var(--chart-3)"
                strokeDasharray="4 3"
                strokeWidth={1.5}
              />
            )}
            <polyline
              points={values.map((v, i) => `${x(i)},${y(v)}`).join(' ')}
              fill="none"
              stroke="var(--chart-1)"
              strokeWidth={2}
              strokeLinejoin="round"
            />
            {values.map((v, i) => (
              <circle
                key={i}
                cx={x(i)}
                cy={y(v)}
                r={i === at ? 5 : points.length > 60 ? 0 : 3}
                fill={goal !== undefined && v < goal ? 'var(--surface)' : 'var(--chart-1)'}
                stroke={goal !== undefined && v < goal ? 'var(--chart-3)' : 'var(--chart-1)'}
                strokeWidth={2}
              />
            ))}
            {first && last && (
              <g fontSize={11} fill="var(--muted)">
                <text x={margin.left} y={height - 4}>
                  {dateTime(first.at)}
                </text>
                {points.length > 1 && (
                  <text x={width - margin.right} y={height - 4} textAnchor="end">
                    {dateTime(last.at)}
                  </text>
                )}
              </g>
            )}
          </svg>
        )}
        {shown && at !== undefined && (
          <div
            role="status"
            className="pop pointer-events-none absolute z-10 -translate-x-1/2 rounded-md px-2 py-1 text-xs whitespace-nowrap"
            style={{ left: Math.min(Math.max(x(at), 80), width - 80), top: Math.max(0, y(values[at] ?? 0) - 52) }}
          >
            <p className="num font-semibold">
              {percent(shown.rate)}
              {target !== undefined && (
                <span className="ml-1 font-normal text-muted">
                  {percentagePoints(subtract(shown.rate, target))} to the target
                </span>
              )}
            </p>
            <p className="text-muted">{dateTime(shown.at)}</p>
          </div>
        )}
      </div>
    </Figure>
  )
}

/** A difference of rates in percentage points. */
function percentagePoints(difference: Decimal): string {
  const text = decimal(shift(difference, 2), 0, 2)
  return `${text.startsWith('−') ? '' : '+'}${text} pp`
}
