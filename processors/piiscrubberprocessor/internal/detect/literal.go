package detect

import (
	"hash/crc32"
	"strings"
)

// literal is a credential with a fixed prefix. It is betrayed by one byte of the prefix, chosen to be rare in text.
type literal struct {
	kind   Kind
	prefix string
	anchor int               // which byte of prefix betrays it
	back   int               // bytes of the token that stand in front of the prefix
	chars  uint8             // class of the body
	extra  string            // further bytes of the body
	min    int               // length of the body
	max    int               // 0: no limit
	valid  func(string) bool // of the body; nil: any
}

// maxToken is the longest body that is taken, in bytes.
const maxToken = 1 << 10

// The formats are those that the vendors document or that their own scanners publish.
var literals = [...]literal{
	{kind: AWSKey, prefix: "AKIA", anchor: 1, chars: cUpper | cDigit, min: 16, max: 16},
	{kind: AWSKey, prefix: "ASIA", anchor: 1, chars: cUpper | cDigit, min: 16, max: 16},
	{kind: GCPKey, prefix: "AIza", anchor: 2, chars: cBase64, min: 35, max: 35},
	{kind: GCPKey, prefix: "GOCSPX-", anchor: 6, chars: cBase64, min: 20, max: 40},
	{kind: GCPKey, prefix: "ya29.", anchor: 4, chars: cBase64, extra: ".", min: 20},
	{kind: AzureKey, prefix: "Q~", anchor: 1, back: 4, chars: cBase64, extra: ".~", min: 31, max: 34},
	{kind: GitHubToken, prefix: "ghp_", anchor: 3, chars: cAlnum, min: 36, max: 36, valid: githubChecksum},
	{kind: GitHubToken, prefix: "gho_", anchor: 3, chars: cAlnum, min: 36, max: 36, valid: githubChecksum},
	{kind: GitHubToken, prefix: "ghu_", anchor: 3, chars: cAlnum, min: 36, max: 36, valid: githubChecksum},
	{kind: GitHubToken, prefix: "ghs_", anchor: 3, chars: cAlnum, min: 36, max: 36, valid: githubChecksum},
	{kind: GitHubToken, prefix: "ghr_", anchor: 3, chars: cAlnum, min: 36, max: 36, valid: githubChecksum},
	{kind: GitHubToken, prefix: "github_pat_", anchor: 10, chars: cWord, min: 82, max: 82},
	{kind: GitLabToken, prefix: "glpat-", anchor: 5, chars: cBase64, extra: ".", min: 20, max: 300},
	{kind: GitLabToken, prefix: "gldt-", anchor: 4, chars: cBase64, extra: ".", min: 20, max: 300},
	{kind: GitLabToken, prefix: "glrt-", anchor: 4, chars: cBase64, extra: ".", min: 20, max: 300},
	{kind: GitLabToken, prefix: "glptt-", anchor: 5, chars: cBase64, min: 40, max: 40},
	{kind: GitLabToken, prefix: "glcbt-", anchor: 5, chars: cBase64, min: 20, max: 80},
	{kind: GitLabToken, prefix: "glft-", anchor: 4, chars: cBase64, min: 20, max: 20},
	{kind: GitLabToken, prefix: "glsoat-", anchor: 6, chars: cBase64, min: 20, max: 20},
	{kind: GitLabToken, prefix: "gloas-", anchor: 5, chars: cBase64, min: 20, max: 80},
	{kind: GitLabToken, prefix: "glimt-", anchor: 5, chars: cBase64, min: 20, max: 40},
	{kind: GitLabToken, prefix: "glagent-", anchor: 7, chars: cBase64, min: 20, max: 80},
	{kind: GitLabToken, prefix: "glffct-", anchor: 6, chars: cBase64, min: 20, max: 40},
	{kind: SlackToken, prefix: "xoxb-", anchor: 4, chars: cBase64, min: 10},
	{kind: SlackToken, prefix: "xoxp-", anchor: 4, chars: cBase64, min: 10},
	{kind: SlackToken, prefix: "xoxa-", anchor: 4, chars: cBase64, min: 10},
	{kind: SlackToken, prefix: "xoxr-", anchor: 4, chars: cBase64, min: 10},
	{kind: SlackToken, prefix: "xoxs-", anchor: 4, chars: cBase64, min: 10},
	{kind: SlackToken, prefix: "xoxe-", anchor: 4, chars: cBase64, min: 10},
	{kind: SlackToken, prefix: "xoxe.xoxp-", anchor: 9, chars: cBase64, min: 10},
	{kind: SlackToken, prefix: "xapp-", anchor: 4, chars: cBase64, min: 10},
	{kind: SlackToken, prefix: "hooks.slack.com/services/", anchor: 5, chars: cAlnum, extra: "/", min: 30, max: 80},
	{kind: StripeKey, prefix: "sk_live_", anchor: 2, chars: cAlnum, min: 16},
	{kind: StripeKey, prefix: "sk_test_", anchor: 2, chars: cAlnum, min: 16},
	{kind: StripeKey, prefix: "rk_live_", anchor: 2, chars: cAlnum, min: 16},
	{kind: StripeKey, prefix: "rk_test_", anchor: 2, chars: cAlnum, min: 16},
	{kind: StripeKey, prefix: "pk_live_", anchor: 2, chars: cAlnum, min: 16},
	{kind: StripeKey, prefix: "pk_test_", anchor: 2, chars: cAlnum, min: 16},
	{kind: StripeKey, prefix: "whsec_", anchor: 5, chars: cAlnum, extra: "+/=", min: 24},
	{kind: OpenAIKey, prefix: "sk-", anchor: 2, chars: cBase64, min: 20, valid: mixed},
	{kind: VendorToken, prefix: "npm_", anchor: 3, chars: cAlnum, min: 36, max: 36},
	{kind: VendorToken, prefix: "pypi-AgE", anchor: 4, chars: cBase64, min: 50},
	{kind: VendorToken, prefix: "SG.", anchor: 1, chars: cBase64, extra: ".", min: 60, max: 70, valid: oneDot},
	{kind: VendorToken, prefix: "SK", anchor: 1, chars: cHex, min: 32, max: 32, valid: mixed},
	{kind: VendorToken, prefix: "dop_v1_", anchor: 3, chars: cHex, min: 64, max: 64},
	{kind: VendorToken, prefix: "doo_v1_", anchor: 3, chars: cHex, min: 64, max: 64},
	{kind: VendorToken, prefix: "shpat_", anchor: 5, chars: cHex, min: 32, max: 32},
	{kind: VendorToken, prefix: "shpss_", anchor: 5, chars: cHex, min: 32, max: 32},
	{kind: VendorToken, prefix: "shpca_", anchor: 5, chars: cHex, min: 32, max: 32},
	{kind: VendorToken, prefix: "hf_", anchor: 2, chars: cAlnum, min: 34, max: 40},
	{kind: VendorToken, prefix: "dapi", anchor: 2, chars: cHex, extra: "-", min: 32, max: 34},
	{kind: VendorToken, prefix: "hvs.", anchor: 3, chars: cBase64, min: 24},
	{kind: VendorToken, prefix: "hvb.", anchor: 3, chars: cBase64, min: 24},
	{kind: VendorToken, prefix: "AGE-SECRET-KEY-1", anchor: 3, chars: cUpper | cDigit, min: 58, max: 58},
	{kind: VendorToken, prefix: "key-", anchor: 3, chars: cHex, min: 32, max: 32},
	{kind: VendorToken, prefix: "NRAK-", anchor: 4, chars: cUpper | cDigit, min: 27, max: 27},
	{kind: VendorToken, prefix: "sq0atp-", anchor: 6, chars: cBase64, min: 22, max: 22},
	{kind: VendorToken, prefix: "sq0csp-", anchor: 6, chars: cBase64, min: 43, max: 43},
	{kind: VendorToken, prefix: "glsa_", anchor: 4, chars: cWord, min: 41, max: 41},
	{kind: VendorToken, prefix: "glc_", anchor: 3, chars: cBase64, extra: "+/=", min: 32},
	{kind: VendorToken, prefix: "pscale_tkn_", anchor: 6, chars: cBase64, extra: ".", min: 32},
	{kind: VendorToken, prefix: "lin_api_", anchor: 3, chars: cAlnum, min: 32, max: 64},
	{kind: VendorToken, prefix: "PMAK-", anchor: 4, chars: cBase64, min: 50, max: 70},
	{kind: VendorToken, prefix: "ATATT3", anchor: 4, chars: cBase64, extra: "=", min: 40},
	{kind: VendorToken, prefix: "dckr_pat_", anchor: 4, chars: cBase64, min: 20, max: 40},
	{kind: VendorToken, prefix: "sntrys_", anchor: 6, chars: cBase64, extra: "+/=", min: 40},
	{kind: VendorToken, prefix: "rubygems_", anchor: 8, chars: cHex, min: 48, max: 48},
	{kind: VendorToken, prefix: "gsk_", anchor: 3, chars: cAlnum, min: 40, max: 64},
	{kind: VendorToken, prefix: "ntn_", anchor: 3, chars: cAlnum, min: 40, max: 60},
	{kind: VendorToken, prefix: "pplx-", anchor: 4, chars: cAlnum, min: 40, max: 64},
	{kind: VendorToken, prefix: "sbp_", anchor: 3, chars: cHex, min: 40, max: 40},
	{kind: VendorToken, prefix: "nfp_", anchor: 3, chars: cAlnum, min: 36, max: 40},
	{kind: VendorToken, prefix: "dor_v1_", anchor: 3, chars: cHex, min: 64, max: 64},
	{kind: VendorToken, prefix: "xai-", anchor: 3, chars: cAlnum, min: 64, max: 90},
}

const literalKinds = Set(1<<AWSKey | 1<<GCPKey | 1<<AzureKey | 1<<GitHubToken | 1<<GitLabToken | 1<<SlackToken | 1<<StripeKey |
	1<<OpenAIKey | 1<<VendorToken)

// useLiterals enters the prefixes of the enabled kinds into the table.
func (s *Scanner) useLiterals() {
	for _, l := range literals {
		if s.on.Has(l.kind) {
			c := l.prefix[l.anchor]
			s.table[c] = aLiteral
			s.literals[c] = append(s.literals[c], l)
		}
	}
}

// literal compares the prefixes that t[i] betrays.
func (sc *scan) literal(i int) int {
	list := sc.literals[sc.t[i]]
	for k := range list {
		l := &list[k]
		p := i - l.anchor
		if p < l.back || !strings.HasPrefix(sc.t[p:], l.prefix) {
			continue
		}
		start := p - l.back
		// Inside of a body that was looked at there is no beginning: a text full of prefixes would be read once for each.
		if c := at(sc.t, start-1); start > 0 && (is(c, cAlnum|l.chars) || c == '.' && l.extra != "") || l.back > 0 && !azureHead(sc.t[start:p]) {
			continue
		}
		body := p + len(l.prefix)
		end, limit := body, min(len(sc.t), body+maxToken)
		for end < limit && (is(sc.t[end], l.chars) || l.extra != "" && strings.IndexByte(l.extra, sc.t[end]) >= 0) {
			end++
		}
		for end > body && (sc.t[end-1] == '.' || sc.t[end-1] == '/') { // of the sentence
			end--
		}
		if n := end - body; n < l.min || l.max > 0 && n > l.max || is(at(sc.t, end), cAlnum) || l.valid != nil && !l.valid(sc.t[body:end]) {
			continue
		}
		return sc.found(l.kind, start, end)
	}
	return i + 1
}

// azureHead: a client secret of Entra ID has three characters and a digit in front of "Q~".
func azureHead(s string) bool {
	for i := 0; i < 3; i++ {
		if !is(s[i], cBase64) && s[i] != '.' && s[i] != '~' {
			return false
		}
	}
	return is(s[3], cDigit)
}

// githubChecksum checks the last six characters: the CRC-32 of the others in base 62 (GitHub, "Behind GitHub's new
// authentication token formats", 2021).
func githubChecksum(s string) bool {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	var buf [30]byte
	if len(s) != 36 {
		return false
	}
	copy(buf[:], s)
	sum := crc32.ChecksumIEEE(buf[:])
	for i := 35; i >= 30; i-- {
		if s[i] != digits[sum%62] {
			return false
		}
		sum /= 62
	}
	return true
}

// mixed: random characters, not words joined by dashes. A run of sixteen without a dash, at least three digits and one letter.
func mixed(s string) bool {
	nDigits, letters, longest, cur := 0, 0, 0, 0
	for i := 0; i < len(s); i++ {
		switch {
		case is(s[i], cDigit):
			nDigits++
		case is(s[i], cLetter):
			letters++
		}
		if cur++; s[i] == '-' || s[i] == '_' {
			cur = 0
		}
		longest = max(longest, cur)
	}
	return longest >= 16 && letters > 0 && (nDigits >= 3 || strings.Contains(s, "T3BlbkFJ"))
}

func oneDot(s string) bool { return strings.Count(s, ".") == 1 }
