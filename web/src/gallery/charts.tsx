import { AmountHistogram, Ageing, PassWaterfall, Proof, RateLine, ReasonBars } from '@/charts'
import { RateSparkline } from '@/charts/sparkline'
import { Page } from '@/shell/page'
import { toast } from '@/ui/toast'
import { Sample } from './parts'

const points = Array.from({ length: 24 }, (_, i) => ({
  id: `run-${i}`,
  at: new Date(Date.UTC(2026, 9, 25 + i, 6)).toISOString(),
  rate: `0.${9580 + Math.round(180 * Math.sin(i / 3)) + i * 6}`,
}))

const bins = [null, '0', '0.01', '0.1', '1', '10'].map((from, i, all) => ({
  from,
  to: all[i + 1] ?? null,
  count: [7532, 351, 349, 90, 31, 4][i] ?? 0,
  sum: ['0', '0.13', '-0.10', '-12.40', '88.20', '41.00'][i] ?? '0',
}))

const left = {
  alias: 'invoices',
  total: 1_000_000,
  matched: 982_058,
  unmatched: 17_942,
  sums: { amount: { total: '1204331882.40', matched: '1189120044.15', unmatched: '15211838.25' } },
}
const right = {
  alias: 'payments',
  total: 950_000,
  matched: 941_233,
  unmatched: 8767,
  sums: { paid: { total: '1191200102.11', matched: '1189119870.02', unmatched: '2080232.09' } },
}

export function Charts() {
  const said = (what: string) => toast.done(`Chosen: ${what}`)
  return (
    <Page title="Charts" about="Each has its data as a table.">
      <div className="grid gap-x-4 lg:grid-cols-2">
        <Sample title="Over time">
          <RateLine points={points} target="0.97" onPick={said} />
          <div className="mt-4 flex items-center gap-3 text-sm">
            Last runs <RateSparkline rates={points.map((p) => p.rate)} />
            <RateSparkline rates={['0.98']} />
            <RateSparkline rates={[]} />
          </div>
        </Sample>
        <Sample title="Proof of conservation">
          <Proof left={left} right={right} currency="EUR" />
        </Sample>
        <Sample title="Passes">
          <PassWaterfall
            side="invoices"
            total={1_000_000}
            onPick={said}
            onPickRest={() => said('rest')}
            passes={[
              { name: 'Exact reference', matched: 812_400 },
              { name: 'Amount and date', matched: 140_210 },
              { name: 'Several payments of one invoice', matched: 29_448 },
            ]}
          />
        </Sample>
        <Sample title="Reasons">
          <ReasonBars
            side="invoices"
            onPick={said}
            reasons={[
              { reason: 'amount_differs', count: 8012 },
              { reason: 'no_candidate', count: 6120 },
              { reason: 'date_outside_window', count: 2240 },
              { reason: 'taken', count: 1480 },
              { reason: 'bad_key', count: 90 },
              { reason: 'ambiguous', count: 0 },
            ]}
          />
        </Sample>
        <Sample title="Differences">
          <AmountHistogram bins={bins} />
        </Sample>
        <Sample title="Ageing">
          <Ageing
            left="invoices"
            right="payments"
            onPick={(i, side) => said(`${side} ${i}`)}
            buckets={[
              { label: '0–7 d', left: 5200, right: 3100 },
              { label: '8–30 d', left: 7100, right: 3300 },
              { label: '31–60 d', left: 3600, right: 1500 },
              { label: '61–90 d', left: 1300, right: 600 },
              { label: '> 90 d', left: 742, right: 267 },
            ]}
          />
        </Sample>
        <Sample title="No data">
          <ReasonBars side="payments" reasons={[]} />
          <div className="mt-4">
            <RateLine points={[]} />
          </div>
        </Sample>
        <Sample title="A proof that does not hold">
          <Proof left={{ ...left, unmatched: 17_941 }} right={right} currency="EUR" />
        </Sample>
      </div>
    </Page>
  )
}
