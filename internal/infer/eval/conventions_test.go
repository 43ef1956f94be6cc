package eval_test

import (
	"fmt"
	"strings"
)

// Pairs of sources that write the same things by other conventions.

func europeanFile() *world {
	w := newWorld("European file", "semicolons, 1.234,56, 31.12.2025, numbers with a hyphen or none", 301, 0.99)
	w.left = newSheet("faktura.csv", "Belegnr,Datum,Debitor,Brutto")
	w.left.comma = ';'
	w.right = newSheet("cash_book.csv", "id,doc_no,booked,received")
	for i := range 2_500 {
		no, on, cents := 250_000+i*3, w.between(0, 330), w.amount()*3
		left := w.left.add(fmt.Sprintf("%d-%03d", no/1000, no%1000), european(on), 10_000+w.IntN(400), comma(cents))
		if w.chance(4) {
			continue
		}
		w.pair(left, w.right.add(i*2+5, no, iso(on+w.between(0, 21)), plain(cents)))
	}
	return w
}

func americanFile() *world {
	w := newWorld("American file", "1,234.56, 12/31/2025, padded cheque numbers", 302, 0.99)
	w.left = newSheet("check_register.csv", "voucher_id,Check #,Payee,Issued,Amount")
	w.right = newSheet("cleared.csv", "trace,Serial,Posted,Debit")
	firms := w.firms(200)
	for i := range 2_300 {
		check, on, cents := 10_400+i, w.between(0, 320), w.amount()*2
		left := w.left.add(fmt.Sprintf("V-%d", 88_000+i*7), check, w.one(firms), american(on), thousands(cents))
		if w.chance(8) {
			continue // outstanding
		}
		w.pair(left, w.right.add(fmt.Sprintf("%09d", 31_000_000+i*113), fmt.Sprintf("%010d", check), american(on+w.between(1, 25)), thousands(cents)))
	}
	return w
}

func debitCredit() *world {
	w := newWorld("debit and credit", "two columns of a ledger against signed movements", 303, 0.99)
	w.left = newSheet("journal.csv", "line_id,voucher,entry_date,debit,credit,narration")
	w.right = newSheet("movements.csv", "mv,voucher_ref,mv_date,value")
	for i := range 2_400 {
		voucher, on, cents := fmt.Sprintf("JV%05d", 10_000+i*3), w.between(0, 350), w.amount()
		debit, credit := "", ""
		value := cents
		if w.chance(45) {
			credit, value = plain(cents), -cents
		} else {
			debit = plain(cents)
		}
		left := w.left.add(i*2+1, voucher, iso(on), debit, credit, w.one(trades))
		if w.chance(4) {
			continue
		}
		w.pair(left, w.right.add(fmt.Sprintf("M%06d", i*5), voucher, iso(on+w.between(0, 3)), plain(value)))
	}
	return w
}

func indicator() *world {
	w := newWorld("debit indicator", "amounts without a sign, a column of letters says which", 304, 0.99)
	w.left = newSheet("mt940.csv", "stmt_line,customer_ref,val_date,dc,amt")
	w.right = newSheet("cashbook.csv", "cb_id,our_ref,entry_date,inflow")
	for i := range 2_400 {
		ref, on, cents := fmt.Sprintf("KX%06d", 200_000+i*11), w.between(0, 350), w.amount()
		letter, value := "C", cents
		if w.chance(42) {
			letter, value = "D", -cents
		}
		left := w.left.add(fmt.Sprintf("%05d/1", i), ref, compact(on), letter, plain(cents))
		if w.chance(4) {
			continue
		}
		right := w.right.add(70_000+i*3, ref, iso(on-w.between(0, 2)), plain(value))
		w.pair(left, right)
		if w.chance(4) { // reversed in the book: the same reference with the other sign
			w.right.add(70_001+i*3, ref, iso(on+3), plain(-value))
		}
	}
	return w
}

func inventory() *world {
	w := newWorld("inventory", "counts of articles in stores, no money at all", 305, 0.99)
	w.left = newSheet("stock.csv", "site,sku,description,book_qty")
	w.left.keys = 2
	w.right = newSheet("count_sheets.csv", "warehouse,article_code,counted,counter")
	w.right.keys = 2
	for s := range 6 {
		for a := range 520 {
			sku := fmt.Sprintf("SKU.%04d.%s", 1_000+a*7, []string{"BLK", "WHT", "RED"}[a%3])
			if w.chance(15) {
				continue
			}
			qty := w.between(0, 400)
			left := w.left.add(fmt.Sprintf("W%d", s+1), sku, w.one(trades), qty)
			if w.chance(3) {
				continue // not counted
			}
			counted, agrees := qty, true
			if w.chance(3) {
				counted, agrees = qty+w.between(40, 90), false
			}
			right := w.right.add(fmt.Sprintf("w%d", s+1), strings.ReplaceAll(sku, ".", "-"), counted, w.one(firstNames))
			if agrees {
				w.pair(left, right)
			}
		}
	}
	return w
}

func cancelled() *world {
	w := newWorld("cancelled records", "cancelled and failed ones share the references of good ones", 306, 0.99)
	w.left = newSheet("bookings.csv", "booking_id,locator,guest,arrival,price,booking_status")
	w.right = newSheet("gateway.csv", "attempt,merchant_ref,attempted,charged,result")
	for i := range 2_200 {
		locator, on, cents := fmt.Sprintf("%c%c%04d", 'A'+rune(i%26), 'A'+rune(i/26%26), i), w.between(0, 300), w.amount()
		guest := w.one(firstNames) + " " + w.one(lastNames)
		status, failed := "confirmed", w.chance(6)
		if failed {
			status = "cancelled"
		}
		left := w.left.add(i+1, locator, guest, iso(on+30), plain(cents), status)
		if failed {
			continue
		}
		if w.chance(5) { // a first attempt with another amount was declined
			w.right.add(fmt.Sprintf("AT%06d", i*2), locator, iso(on), plain(cents+w.between(500, 5_000)), "declined")
		}
		w.pair(left, w.right.add(fmt.Sprintf("AT%06d", i*2+1), locator, iso(on), plain(cents), "approved"))
	}
	return w
}

func percentFees() *world {
	w := newWorld("fees taken off", "what arrives is up to one and a half percent less", 307, 0.99)
	w.left = newSheet("sales.csv", "sale_no,channel,sold_on,price")
	w.right = newSheet("marketplace.csv", "payout_line,external_id,paid_out,net_amount")
	for i := range 2_300 {
		no, on, cents := fmt.Sprintf("MP%07d", 3_000_000+i*19), w.between(0, 300), w.amount()+1_000
		left := w.left.add(no, w.one([]string{"web", "app", "store"}), bankMonth(on), plain(cents))
		if w.chance(5) {
			continue
		}
		w.pair(left, w.right.add(i*4+9, strings.ToLower(no), iso(on+w.between(3, 14)), plain(cents-cents*w.IntN(16)/1000)))
	}
	return w
}

func moneyTexts() *world {
	w := newWorld("amounts as texts", "a currency before them, the sign behind or as brackets", 308, 0.99)
	w.left = newSheet("fbl5n.csv", "Beleg,Zuordnung,Buchungsdatum,Betrag in HW,Text")
	w.left.comma = ';'
	w.right = newSheet("portal.csv", "txn,reference,date,amount")
	for i := range 2_200 {
		ref, on, cents := fmt.Sprintf("ZU%07d", 4_000_000+i*31), w.between(0, 340), w.amount()*2
		ours, theirs := comma(cents), "EUR "+thousands(cents)
		if w.chance(20) {
			ours, theirs = comma(cents)+"-", "(EUR "+thousands(cents)+")"
		}
		left := w.left.add(1_400_000_000+i*3, ref, european(on), ours, w.one(trades))
		if w.chance(4) {
			continue
		}
		w.pair(left, w.right.add(fmt.Sprintf("tx-%06d", i*7), strings.ToLower(ref), iso(on+w.between(0, 5)), theirs))
	}
	return w
}
