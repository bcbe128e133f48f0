package corpus

import (
	"fmt"
	"strconv"
	"strings"
)

// A shape is the form of an identifier, one class a character:
//
//	d  a digit                 n  a digit from 1 to 9
//	A  an upper-case letter    a  a lower-case one
//	h  hexadecimal, lower      H  hexadecimal, upper
//	X  upper-case alphanumeric w  lower-case      W  of both cases
//	Y  a year (1990 to 2035)   y  its last two digits
//	M  a month                 D  a day
//	T  an hour                 m  a minute or second
//	O  an octet (0 to 255)     L  a port (1024 to 65535)
//
// "d*16" repeats, 'text' in quotes and everything else stands for itself.
type shape []part

type part struct {
	class byte // 0: literal
	n     int
	text  string
}

// compile compiles a shape. It panics if a quote is not closed: the shapes are constants.
func compile(s string) (list shape) {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '\'' {
			n := strings.IndexByte(s[i+1:], '\'')
			if n < 0 {
				panic("no end of the text in " + s)
			}
			list = append(list, part{text: s[i+1 : i+1+n]})
			i += n + 1
			continue
		}
		if strings.IndexByte("dnAahHXwWYyMDTmOL", c) < 0 {
			list = append(list, part{text: s[i : i+1]})
			continue
		}
		n := 1
		if i+1 < len(s) && s[i+1] == '*' {
			j := i + 2
			for j < len(s) && s[j] >= '0' && s[j] <= '9' {
				j++
			}
			n, _ = strconv.Atoi(s[i+2 : j])
			i = j - 1
		}
		list = append(list, part{class: c, n: n})
	}
	return list
}

var alphabets = map[byte]string{'d': decimal, 'n': "123456789", 'A': upper, 'a': lowers, 'h': hexa, 'H': "0123456789ABCDEF",
	'X': upper + decimal, 'w': lowers + decimal, 'W': alnum}

// append writes a random value of s.
func (s shape) append(dst []byte, g gen) []byte {
	for _, p := range s {
		if p.class == 0 {
			dst = append(dst, p.text...)
			continue
		}
		for range p.n {
			if a := alphabets[p.class]; a != "" {
				dst = append(dst, a[g.IntN(len(a))])
				continue
			}
			switch p.class {
			case 'Y':
				dst = strconv.AppendInt(dst, int64(g.between(1990, 2035)), 10)
			case 'O':
				dst = strconv.AppendInt(dst, int64(g.IntN(256)), 10)
			case 'L':
				dst = strconv.AppendInt(dst, int64(g.between(1024, 65535)), 10)
			case 'y':
				dst = fmt.Appendf(dst, "%02d", g.between(0, 99))
			case 'M':
				dst = fmt.Appendf(dst, "%02d", g.between(1, 12))
			case 'D':
				dst = fmt.Appendf(dst, "%02d", g.between(1, 31))
			case 'T':
				dst = fmt.Appendf(dst, "%02d", g.IntN(24))
			case 'm':
				dst = fmt.Appendf(dst, "%02d", g.IntN(60))
			}
		}
	}
	return dst
}

// Shapes lists the forms of identifiers that have no meaning by themselves. Groupings are written with four separators, long ones with
// two.
func Shapes() (list []string) {
	for n := 5; n <= 24; n++ {
		list = append(list, fmt.Sprintf("nd*%d", n-1))
	}
	for _, g := range shapeGroups {
		separators := []string{" ", "-", ".", "/"}
		if len(strings.Fields(g)) > 4 {
			separators = separators[:2]
		}
		for _, sep := range separators {
			form := strings.Join(strings.Fields(g), sep)
			if !IsTheThing(form) {
				list = append(list, form)
			}
		}
	}
	return append(list, shapeForms...)
}

// IsTheThing reports whether a shape is exactly how the data is written: nothing distinguishes 415-555-2671 from a telephone number.
// Shapes leaves these out; TheThings lists them.
func IsTheThing(form string) bool {
	if quad := strings.Split(form, "."); len(quad) == 4 { // four parts below 1000: an address if they are valid
		return !strings.ContainsAny(form, "456789AXY")
	}
	for _, t := range TheThings() {
		if t == form {
			return true
		}
	}
	return false
}

// TheThings are the shapes whose free-standing values are treated as the data that has this form. The README states their rates.
func TheThings() []string {
	return []string{"O.O.O.O", "'2a02:'h*4':'h*4':'h*4'::'h", "hh:hh:hh:hh:hh:hh", "hh-hh-hh-hh-hh-hh", "d*3-d*3-d*4", "d*3.d*3.d*4", "d*3 d*3 d*4", "'('d*3') 'd*3-d*4"}
}

// shapeGroups are groupings of digits.
var shapeGroups = []string{
	"d*4 d*4 d*4 d*4", "d*4 d*4 d*4", "d*4 d*4", "d*4 d*4 d*4 d*4 d*4", "d*4 d*6 d*5", "d*4 d*6 d*4", "d*4 d*4 d*4 d*3", "d*5 d*5 d*5", "d*8 d*8", "d*6 d*10", "d*6 d*6 d*4",
	"d*3 d*3 d*3", "d*3 d*3 d*3 d*3", "d*3 d*3 d*4", "d*3 dd d*4", "d*3 d*4", "d*3 d*4 d*4", "d*3 d*4 d*4 dd", "d*3 d*3 d*3 dd", "d*5 d*5", "d*5 d*6", "d*4 d*7", "d*3 d*7", "dd d*8",
	"dd d*3 d*4", "dd d*4 d*4", "d d*3 d*3 d*4", "dd dd dd dd dd", "dd dd dd dd dd dd", "dd d*3 d*3 d*3", "d*4 dd d*3", "dd dd dd d*3 dd", "d dd dd dd d*3 d*3 dd", "d*6 d*4", "d*6 d*5", "d*6 d*7",
	"d*8 d*4", "d*8 d*6", "Y M D", "D M Y", "y M D d*4", "Y M D d*4", "d d d d d", "d d d d d d d d d d", "d*5 d*3 d*5 dd d*6", "d*3 d*8", "d*4 d*8", "d*5 d*4", "d*6 d*6", "d*7 d*3",
	"d*3 d d*6", "d*3 dd d*5 d", "d*9 d*9", "d*10 d*3", "d*2 d*7", "dd d*3 dd dd", "d*3 d*2 d*2", "d*3 d*3 dd dd", "d*4 d*3 d*3", "d*4 d*3 d*4", "d*2 d*5 d*4", "d*3 d*5", "d*3 d*5 d*4", "d d*4 d*4",
}

// shapeForms are forms that hold letters, dates, or fixed text.
var shapeForms = []string{
	"'ORD-'d*10", "'INV-'Y-d*6", "'INV-'Y-d*9", "d*8-A", "d*8A", "A*1d*7A", "A*1-d*7-A", "Ad*8", "Ad*7", "AAd*6A", "AA dd dd dd A", "AA-dd-dd-dd-A", "AAd*7", "AAd*8", "AAd*9'CN'", "AAd*9", "AAAd*6", "AAAd*8", "AAAAd*7",
	"AAA-d*4", "AAA-d*6", "AA-d*4-AA", "AAA-d*3-d*3", "AAA d*4", "AA d*3", "AAd*4", "AAdd*20", "AAddd*4d*6", "AAdd' 'd*4' 'd*4' 'd*4", "AAd*22", "AAd*14", "AAdAAAAd*14", "A*6ddAddAd*3A", "A*6X*10", "A*3-A*3-d*5-d*5",
	"YMD-d*4", "yMD-d*4", "YMD-d*6", "YMDd*4", "yMDd*4", "yMDd*7", "yMD-d*7", "yMDAd*3X", "DMy-d*3X", "DMyAd*3X", "YMDTmm", "YMDTmmd*3", "YMDTmm-d*4", "YMD'T'Tmm'Z'", "d*6YMDd*4", "d*6YMDd*3X", "Y-M-D' 'T:m:m", "Y-M-D-T-m-m", "Y-M-D_d*4",
	"Y.M.D.d*3", "Y.M.d*3", "d.d.d", "d.dd.d", "nd.d.d*4.dd", "dd.d.d*4.d*3", "d*3.d*3.d*3.d*3", "d.d.d.d", "'v'd.d.d.d", "'v'd.dd.d*3", "d.d.d-'rc'.d", "d.d.d+'build'.h*7", "d*3.d*8", "0.d*16", "d.d*15'e-'dd", "-dd.d*14", "dd.d*6", "dd.d*6,' 'dd.d*6", "dd.d*6,dd.d*6",
	"T:m:m", "T:m:m.d*3", "T:m:m:dd:dd:dd", "T:m:m:T:m:m", "dd:dd:dd:dd:dd:dd", "dd-dd-dd-dd-dd-dd", "dd:dd:dd", "dd:dd:dd:dd:dd:dd:dd:dd", "d*4:d*4:d*4:d*4", "d*4.d*4.d*4", "hh:hh:hh", "hh:hh:hh:hh:hh:hh:hh:hh:hh:hh:hh:hh:hh:hh:hh:hh", "hh:hh:hh:hh:hh:hh:hh:hh",
	"h*8-h*4-'4'h*3-h*4-h*12", "d*8-d*4-d*4-d*4-d*12", "H*8-H*4-'4'H*3-H*4-H*12", "h*32", "h*40", "h*64", "h*16", "h*12", "h*24", "h*7", "h*8", "H*8", "H*16", "H*32", "'0x'h*16", "'0x'H*8", "h*8-h*4", "h*4-h*4-h*4-h*4", "h*16-h*16", "'00-'h*32-h*16-'01'", "h*16:h*16:0:1", "'1-'h*8-h*24",
	"W*22", "W*10", "W*11", "W*12", "W*16", "W*20", "W*21", "W*27", "W*32", "W*40", "w*5", "w*8", "w*10-w*5", "a*6-w*9-w*5", "a*8-w*10-w*5", "X*26", "'01'X*24", "X*10", "X*6", "X*8", "X*12", "X*16", "X*20", "X*5-X*5-X*5-X*5-X*5", "X*4-X*4-X*4-X*4", "X*17", "X*3-X*6",
	"'i-'h*17", "'vpc-'h*8", "'vol-'h*17", "'sg-'h*17", "'ami-'h*17", "'pod-'w*5", "'req_'W*14", "'cus_'W*14", "'ch_'W*24", "'pi_'W*24", "'evt_'W*24", "'txn_'W*24", "'in_'W*24", "'sess_'h*24", "'usr_'d*12", "'u'd*9", "'T'd*10", "'C'd*9", "'job-'d*13", "'task_'d*16", "'batch_'d*14", "'node-'d*3-d*3-d*4",
	"'sha256:'h*64", "'sha512-'W*86'=='", "'md5:'h*32", "'W/\"'h*24'\"'", "'arn:aws:iam::'d*12':role/'a*8", "'s3://'a*6'/'Y/M/D'/'h*16", "'CVE-'Y-d*5", "'RFC'd*4", "'ISBN 978-'d-d*3-d*5-d", "'978'd*10", "'1Z'X*16", "d*22", "'JD'd*18", "'RR'd*9'CN'", "AAd*9AA", "'W1'd*8", "'#'d*8", "'#'d*16", "'No.'d*9",
	"'LH'd*4", "'BA'd*3", "'G-'d*8", "'TKT-'d*13", "d*3-d*10", "'220-'d*10", "'M'd*7", "'EU'd*9", "'DE'd*9", "'ATU'd*8", "'FR'd*11", "'NL'd*9'B'dd", "'GB'd*9", "d*9/d*4", "d*2/d*2/d*4", "d*12/d*3", "'p'd*3-d*6", "'+'d*3", "'-'d*10", "d*10,d*10,d*10", "d*16,d*16", "d*4,d*4,d*4,d*4", "d*4' 'd*3' 'd*5' 'dd' 'd*6", "d*4|d*4|d*4|d*4",
	"d*5' 'd*5' 'd*5' 'd*5' 'd*5", "d*16' 'd*16", "d*3' 'd*4' 'd*5", "d*2' 'd*7' 'd*7", "d*4' - 'd*4", "d*6;d*6;d*6", "n,d*3,d*3,d*3", "n.d*3.d*3,dd", "d*13'L'", "d*16'n'", "d*9'ms'", "d*10'us'", "d*12'ns'", "d*4'x'd*4", "d*6'@'d*4", "'Q'd-Y", "'W'dd-Y", "Y'W'dd", "d*5-d*4-d*3", "d*14'_'d*3", "d*10'.'d*6", "d*10'.'d*3",
}

// Fill returns a function that writes random values of a shape into "{}" of form; the returned bytes live until the next call.
func Fill(form, shapeOf string, seed uint64) func() string {
	before, after, found := strings.Cut(form, "{}")
	if !found {
		panic("no place for a value in " + form)
	}
	g, s := newGen(seed), compile(shapeOf)
	buf := make([]byte, 0, 256)
	return func() string {
		buf = append(s.append(append(buf[:0], before...), g), after...)
		return string(buf)
	}
}
