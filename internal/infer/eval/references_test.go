package eval_test

import (
	"fmt"
	"strings"
)

// Pairs of sources that share references, however those are written.

func invoicesPayments() *world {
	w := newWorld("invoices, payments", "references in capitals or not, some missing, rounding of a few cents", 101, 0.99)
	w.left = newSheet("debtors.csv", "Rechnung,Kunde,Faellig,Offen,Waehrung")
	w.right = newSheet("receipts.csv", "receipt,received_on,from_whom,reference,sum")
	firms := w.firms(240)
	for i := range 3_000 {
		no, firm, due, cents := fmt.Sprintf("AR-%06d", 40_000+i*3), w.one(firms), w.between(20, 300), w.amount()
		left := w.left.add(no, firm, iso(due), plain(cents), "EUR")
		if w.chance(6) {
			continue // unpaid
		}
		paid, agrees := cents, true
		switch {
		case w.chance(4):
			paid += w.between(-4, 4)
		case w.chance(2):
			paid, agrees = cents-cents/w.between(3, 6), false // paid in part
		}
		ref := no
		switch w.IntN(12) {
		case 0:
			ref = strings.ToLower(no)
		case 1:
			ref = strings.ReplaceAll(no, "-", " ")
		case 2:
			ref = ""
		}
		right := w.right.add(700_000+i*7, iso(due+w.between(-12, 18)), asciiBank(firm), ref, plain(paid))
		if agrees {
			w.pair(left, right)
		}
	}
	for i := range 120 { // other receipts
		w.right.add(990_000+i, iso(w.between(20, 300)), asciiBank(w.one(firms)), fmt.Sprintf("MISC %d", i), plain(w.amount()))
	}
	return w
}

func ledgerBank() *world {
	w := newWorld("ledger, bank", "signs turned, document numbers within the text of the bank, value dates", 102, 0.99)
	w.left = newSheet("gl.csv", "entry,account,document,posting_date,amount,text")
	w.right = newSheet("statement.csv", "line,booked,value_date,text,movement")
	firms := w.firms(150)
	verbs := []string{"SEPA CREDIT", "GUTSCHRIFT", "VIREMENT", "OUTGOING TRANSFER"}
	for i := range 2_500 {
		doc, firm, on, cents := 1_900_000_000+i*13, w.one(firms), w.between(0, 360), w.amount()
		if w.chance(40) {
			cents = -cents
		}
		left := w.left.add(i+1, w.one([]string{"113100", "113200"}), doc, iso(on), plain(cents), firm)
		if w.chance(3) {
			continue
		}
		later := on + w.between(0, 4)
		right := w.right.add(fmt.Sprintf("%d/%04d", 1+later/31, i), iso(later), iso(later+w.between(0, 1)), fmt.Sprintf("%s %s DOC %d", w.one(verbs), asciiBank(firm), doc), plain(-cents))
		w.pair(left, right)
	}
	for i := range 80 {
		w.right.add(fmt.Sprintf("F/%04d", i), iso(i*4), iso(i*4), "ACCOUNT FEE", plain(w.between(100, 900)))
	}
	return w
}

func ordersProcessor() *world {
	w := newWorld("orders, card processor", "cents on one side, refunds under the number of their order, fees beside", 103, 0.99)
	w.left = newSheet("shop.csv", "row,order_number,kind,created_at,customer_email,total,state")
	w.right = newSheet("processor.csv", "balance_id,source_order,type,created,amount_minor,fee_minor,net_minor,batch")
	for i := range 2_200 {
		order, on, cents := fmt.Sprintf("#S%05d", 61_000+i), w.between(0, 180), w.amount()%60_000+300
		mail := fmt.Sprintf("%s.%d@mail.example", strings.ToLower(fold.Replace(w.one(firstNames))), i)
		at := fmt.Sprintf("%sT%02d:%02d:00", iso(on), w.IntN(24), w.IntN(60))
		left := w.left.add(fmt.Sprintf("%d-1", 61_000+i), order, "sale", at, mail, plain(cents), "complete")
		charge := func(n, on, cents int, kind string) string {
			fee := max(cents, -cents)*14/1000 + 25
			return w.right.add(fmt.Sprintf("txn_%07x%d", 0xabc00+i*37, n), strings.TrimPrefix(order, "#"), kind, iso(on), cents, fee, cents-fee, fmt.Sprintf("po_%03d", on/2))
		}
		w.pair(left, charge(1, on, cents, "charge"))
		if w.chance(7) {
			back := cents
			if w.chance(40) {
				back = cents / 2
			}
			when := on + w.between(2, 20)
			left := w.left.add(fmt.Sprintf("%d-2", 61_000+i), order, "refund", iso(when)+"T12:00:00", mail, plain(-back), "complete")
			w.pair(left, charge(2, when, -back, "refund"))
		}
	}
	return w
}

func payroll() *world {
	w := newWorld("payroll, bank", "no reference of the payment, an account of the person, twelve months, padded staff numbers", 104, 0.99)
	w.left = newSheet("payroll.csv", "slip,staff,surname,given,period,iban,net_pay")
	w.right = newSheet("transfers.csv", "ref,executed,beneficiary,beneficiary_account,amount,purpose")
	for p := range 260 {
		surname, given := w.one(lastNames), w.one(firstNames)
		account := fmt.Sprintf("DE%02d5001%04d%08d", 11+p%80, w.IntN(10_000), 10_000_000+p*331)
		base := w.between(160_000, 520_000)
		for m := range 12 {
			end := m*30 + 27
			cents := base + w.IntN(9_000)*w.IntN(2)
			left := w.left.add(fmt.Sprintf("SL%04d%02d", p, m+1), fmt.Sprintf("%06d", 300+p), surname, given, fmt.Sprintf("2025-%02d", m+1), account, plain(cents))
			if w.chance(0.5) {
				continue
			}
			right := w.right.add(fmt.Sprintf("E2E%07d", p*100+m*7+13), iso(end+w.between(0, 2)), strings.ToUpper(fold.Replace(given+" "+surname)), account, plain(cents), fmt.Sprintf("SALARY %d STAFF %d", m+1, 300+p))
			w.pair(left, right)
		}
	}
	return w
}

func intercompany() *world {
	w := newWorld("intercompany", "negated, some entries in two parts on one side", 105, 0.99)
	w.left = newSheet("entity_a.csv", "a_line,trading_partner,ic_reference,doc_date,lc_amount,currency")
	w.right = newSheet("entity_b.csv", "b_line,partner,ic_ref,document_date,local_amount,crcy")
	line := 0
	for i := range 2_000 {
		ref, on, cents := fmt.Sprintf("IC/%s/%05d", w.one([]string{"A", "B", "K"}), i), w.between(0, 300), w.amount()
		if w.chance(30) {
			cents = -cents
		}
		left := w.left.add(fmt.Sprintf("A%06d", i), "B200", ref, iso(on), plain(cents), "SEK")
		if w.chance(4) {
			continue
		}
		parts := []int{cents}
		if w.chance(15) {
			first := cents * w.between(20, 80) / 100
			parts = []int{first, cents - first}
		}
		for _, c := range parts {
			line++
			w.pair(left, w.right.add(fmt.Sprintf("B%06d", line*3), "A100", ref, iso(on+w.between(0, 2)), plain(-c), "SEK"))
		}
	}
	return w
}

func utilities() *world {
	w := newWorld("utilities", "meters by number: padded with a maker's letters on one side, bare on the other, four quarters", 106, 0.99)
	w.left = newSheet("readings.csv", "bill_id,meter,quarter_end,kwh,charged")
	w.right = newSheet("ledger.csv", "booking,device_no,period_end,consumption,eur")
	makers := []string{"EMH", "ISK", "LGZ"}
	for m := range 700 {
		no := 40_000 + m*m%9_000*11 + m
		meter := fmt.Sprintf("%s-%010d", w.one(makers), no)
		for q := range 4 {
			kwh := w.between(120, 1_900)
			left := w.left.add(fmt.Sprintf("U%05d", m*4+q), meter, iso(90*(q+1)), kwh, plain(kwh*31+990))
			if w.chance(2) {
				continue
			}
			w.pair(left, w.right.add(5_000_000+(m*4+q)*3, no, iso(90*(q+1)), kwh, plain(kwh*31+990)))
		}
	}
	return w
}

func freeText() *world {
	w := newWorld("references in texts", "two forms of numbers within a remittance text, sometimes without the letters", 107, 0.99)
	w.left = newSheet("factures.csv", "facture,client,emise,montant_ttc")
	w.right = newSheet("releve.csv", "operation,date_operation,libelle,credit")
	w.right.comma = ';'
	firms := w.firms(300)
	for i := range 2_400 {
		n, firm, on, cents := 3_100+i, w.one(firms), w.between(0, 340), w.amount()
		no := fmt.Sprintf("FA25-%06d", n)
		left := w.left.add(no, firm, iso(on), plain(cents))
		if w.chance(5) {
			continue
		}
		var text string
		switch w.IntN(5) {
		case 0:
			text = fmt.Sprintf("VIR SEPA %s FACT %s", asciiBank(firm), no)
		case 1:
			text = fmt.Sprintf("REF:%s/%s", strings.ReplaceAll(no, "-", ""), asciiBank(firm))
		case 2:
			text = fmt.Sprintf("PAIEMENT %s DU %s", strings.ToLower(no), british(on))
		default:
			text = fmt.Sprintf("VIREMENT RECU %s %s MERCI", no, asciiBank(firm))
		}
		w.pair(left, w.right.add(880_000+i*5, british(on+w.between(5, 50)), text, comma(cents)))
	}
	for i := range 60 {
		w.right.add(1_880_000+i, british(i*5), "REMISE CHEQUE "+fmt.Sprint(7_000+i), comma(w.amount()))
	}
	return w
}

func compoundKeys() *world {
	w := newWorld("purchase orders, receipts", "order and line only together, quantities, receipts in parts", 108, 0.99)
	w.left = newSheet("po_lines.csv", "po,line,article,ordered_qty,requested")
	w.left.keys = 2
	w.right = newSheet("goods_in.csv", "slip,po_number,po_line,item,qty,arrived")
	slip := 0
	for i := range 700 {
		po := fmt.Sprintf("45%08d", 12_000+i*17)
		for line := range w.between(1, 5) {
			qty, on, article := w.between(1, 60)*5, w.between(0, 300), fmt.Sprintf("ART-%04d", w.IntN(900))
			left := w.left.add(po, (line+1)*10, article, qty, iso(on))
			if w.chance(4) {
				continue
			}
			parts := []int{qty}
			if qty >= 20 && w.chance(14) {
				parts = []int{qty / 2, qty - qty/2}
			}
			for k, q := range parts {
				slip++
				w.pair(left, w.right.add(fmt.Sprintf("GR%06d", slip*2), po, (line+1)*10, article, q, iso(on+k+w.between(0, 9))))
			}
		}
	}
	return w
}
