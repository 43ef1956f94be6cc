package demo

import (
	"bytes"
	"context"
	"os"
	"strconv"
)

// writeLines creates a file and writes a header and the lines 0 … n−1 to it;
// line appends one or more whole lines. It keeps one buffer, whatever n is.
func writeLines(ctx context.Context, path, header string, n int64, line func(b []byte, i int64) []byte) (err error) {
	const flushAt = 1 << 20
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	b := append(make([]byte, 0, flushAt+1<<16), header...)
	b = append(b, '\n')
	for i := range n {
		b = line(b, i)
		if len(b) >= flushAt {
			if err := ctx.Err(); err != nil {
				return err
			}
			if _, err := f.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err = f.Write(b)
	return err
}

const (
	invoiceHeader = "invoice_id,settlement_ref,customer_id,customer_name,invoice_date,due_date,amount,currency,status,description"
	paymentHeader = "payment_id,reference_number,payer_id,payer_name,payment_date,paid_amount,currency,method,bank,memo"
	truthHeader   = "left_key,right_key,pattern"
)

func (w *world) writeInvoices(ctx context.Context, path string) error {
	return writeLines(ctx, path, invoiceHeader, w.layout.left, func(b []byte, i int64) []byte {
		v := w.invoiceAt(i)
		b = w.appendInvoiceID(b, v.key)
		b = append(b, ',')
		b = w.appendSettlement(b, v.settlement)
		b = append(b, ',')
		b = w.appendCustomerID(b, v.customer)
		b = append(b, ',')
		b = appendField(b, func(b []byte) []byte { return appendName(b, w.seed, v.customer) })
		b = append(b, ',')
		b = append(b, date(v.day)...)
		b = append(b, ',')
		b = append(b, date(v.day+v.terms)...)
		b = append(b, ',')
		b = appendCents(b, v.cents)
		b = append(b, ',')
		b = append(b, currencies[v.currency]...)
		b = append(b, ',')
		b = append(b, statuses[v.hash>>10&7]...)
		b = append(b, ',')
		b = append(b, services[v.hash>>13&7]...)
		b = append(b, " PO-"...)
		b = appendPadded(b, int64(v.hash>>16%1_000_000), 6)
		return append(b, '\n')
	})
}

func (w *world) writePayments(ctx context.Context, path string) error {
	return writeLines(ctx, path, paymentHeader, w.layout.right, func(b []byte, i int64) []byte {
		v := w.paymentAt(i)
		b = w.appendPaymentID(b, v.key)
		b = append(b, ',')
		b = w.appendReference(b, v.reference)
		b = append(b, ',')
		b = w.appendCustomerID(b, v.payer)
		b = append(b, ',')
		b = appendField(b, func(b []byte) []byte { return appendSpelling(b, w.seed, v.payer, v.spelling) })
		b = append(b, ',')
		b = append(b, date(v.day)...)
		b = append(b, ',')
		b = appendCents(b, v.cents)
		b = append(b, ',')
		b = append(b, currencies[v.currency]...)
		b = append(b, ',')
		b = append(b, methods[v.hash>>20&7]...)
		b = append(b, ',')
		b = append(b, banks[v.hash>>23%uint64(len(banks))]...)
		b = append(b, ',')
		b = append(b, remittance[v.hash>>30%uint64(len(remittance))]...)
		b = append(b, ' ')
		b = appendPadded(b, int64(v.hash>>16%100_000_000), 8)
		return append(b, '\n')
	})
}

func (w *world) appendInvoiceID(b []byte, key int64) []byte {
	return appendPadded(append(b, "INV-"...), key, w.width)
}

func (w *world) appendPaymentID(b []byte, key int64) []byte {
	return appendPadded(append(b, "PAY-"...), key, w.width)
}

func (w *world) appendCustomerID(b []byte, customer int64) []byte {
	return appendPadded(append(b, 'C'), customer+1, 6)
}

func (w *world) appendSettlement(b []byte, s settlement) []byte {
	if s.prefix == "" {
		return b
	}
	return appendPadded(append(b, s.prefix...), s.number, w.width)
}

func (w *world) appendReference(b []byte, r reference) []byte {
	switch r.kind {
	case refInvoice:
		b = w.appendInvoiceID(b, r.invoice)
	case refPart:
		b = w.appendInvoiceID(b, r.invoice)
		b = append(b, "-PART"...)
		b = strconv.AppendInt(b, r.part, 10)
	case refMistyped:
		start := len(b)
		b = w.appendInvoiceID(b, r.invoice)
		b = mistype(b, start, r.slip)
	case refSettlement, refForeign:
		b = w.appendSettlement(b, r.settlement)
	}
	return b
}

// mistype puts a typing error into the invoice number b[start:]. What comes
// out is never the number of an invoice, nor does one start it.
func mistype(b []byte, start int, slip uint64) []byte {
	id := b[start:]
	switch slip % 4 {
	case 0: // letter for a digit
		if i := bytes.LastIndexAny(id, "01"); i > 0 {
			id[i] = map[byte]byte{'0': 'O', '1': 'l'}[id[i]]
			return b
		}
	case 1: // a digit lost
		at := 4 + int(slip>>2)%(len(id)-4)
		return append(b[:start+at], id[at+1:]...)
	case 2: // two letters swapped
		id[1], id[2] = id[2], id[1]
		return b
	}
	return append(b[:start+3], id[4:]...) // the dash lost
}

// appendName appends the name of a customer.
func appendName(b []byte, seed uint64, customer int64) []byte {
	d := dice(mix(seed^0xca5e, uint64(customer)))
	b = append(b, nameFirst[d.roll(int64(len(nameFirst)))]...)
	b = append(b, ' ')
	b = append(b, nameSecond[d.roll(int64(len(nameSecond)))]...)
	b = append(b, ' ')
	return append(b, nameForm[d.roll(int64(len(nameForm)))]...)
}

// appendSpelling appends the name of a customer as a bank statement spells it:
// mostly right, else in capitals, with two letters swapped, one lost, or no dots.
func appendSpelling(b []byte, seed uint64, customer int64, spelling uint64) []byte {
	start := len(b)
	b = appendName(b, seed, customer)
	name := b[start:]
	at := 3 + int(spelling>>3)%3 // every first word is longer, and ASCII from here on
	switch spelling & 7 {
	case 0:
		return append(b[:start], bytes.ToUpper(name)...)
	case 1:
		name[at], name[at+1] = name[at+1], name[at]
	case 2:
		return append(b[:start+at], name[at+1:]...)
	case 3:
		return append(b[:start], bytes.ReplaceAll(name, []byte("."), nil)...)
	}
	return b
}

// appendField appends a field that may need quotes.
func appendField(b []byte, field func([]byte) []byte) []byte {
	start := len(b)
	b = field(b)
	if bytes.IndexByte(b[start:], ',') < 0 {
		return b
	}
	b = append(b, '"', '"')
	copy(b[start+1:], b[start:len(b)-2])
	b[start] = '"'
	b[len(b)-1] = '"'
	return b
}

func appendCents(b []byte, cents int64) []byte {
	b = strconv.AppendInt(b, cents/100, 10)
	return append(b, '.', byte('0'+cents/10%10), byte('0'+cents%10))
}

func appendPadded(b []byte, n int64, width int) []byte {
	for p := width - 1; p > 0 && n < pow10[p]; p-- {
		b = append(b, '0')
	}
	return strconv.AppendInt(b, n, 10)
}

var pow10 = func() (p [19]int64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * 10
	}
	return p
}()
