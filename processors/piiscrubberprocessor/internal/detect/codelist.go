package detect

// maxCodes is how many codes of a list are detected.
const maxCodes = 32

// codes detects the codes of a list after "backup codes:" (the separator is at sep): two or more, of six to sixteen letters and digits,
// each with a digit. It returns where the last one ends, 0 if there is none.
func (sc *scan) codes(sep int) int {
	t := sc.t
	var list [maxCodes][2]int
	n, i := 0, sep+1
	for i < len(t) && n < maxCodes {
		gap := i
		for i < len(t) && i-gap < 16 && (t[i] <= ' ' || t[i] == ',' || t[i] == '[' || t[i] == '"' || t[i] == '\'' || t[i] == '\\' || t[i] == ';' || t[i] == '-' && at(t, i+1) == ' ') {
			i++
		}
		end := i
		for end < len(t) && end-i < 20 && (is(t[end], cAlnum) || t[end] == '-' && end > i) {
			end++
		}
		v := t[i:end]
		if at(t, end) == '\\' && len(v) > 0 && at(t, end+1) == 'n' { // a line's end inside of a string
			i = end + 2
		} else {
			i = end
		}
		if len(v) < 6 || len(v) > 16 || digitRun(v) == 0 || v[len(v)-1] == '-' || digitRun(v) < len(v) && !randomLooking(v) && digitRun(v) < 4 {
			break
		}
		list[n] = [2]int{end - len(v), end}
		n++
	}
	if n < 2 {
		return 0
	}
	for _, code := range list[:n] {
		sc.found(Password, code[0], code[1])
	}
	return list[n-1][1]
}
