package detect

import "strings"

// checks describes, for people, what each detector's finding passed.
var checks = [builtins]string{
	Email: "a mail address under a top-level domain that exists", Phone: "a telephone number", PaymentCard: "check digit, issuer and length of a card", IBAN: "country's format and check digits",
	USSSN: "issuing rules", UKNHS: "check digit", UKNINO: "issuing rules", DETaxID: "check digit", FRNIR: "date, place and check digits", ESDNI: "check letter", ITFiscalCode: "check letter", NLBSN: "eleven test",
	BENRN: "birthday and check digits", CHAHV: "country code and check digit", PLPESEL: "birthday and check digit", SEPersonnummer: "birthday and check digit", FIHETU: "birthday and check character",
	CASIN: "check digit", BRCPF: "two check digits", INAadhaar: "check digit", CNResidentID: "birthday and check digit", KRRRN: "birthday", SGNRIC: "check letter", IPv4: "a global address", IPv6: "a global address",
	MAC: "six pairs of hexadecimal digits", JWT: "a header that decodes", URLCredentials: "user and password of a URL", URLSecret: "a secret's name in a query", AWSKey: "prefix, alphabet and length, or its name",
	GCPKey: "prefix, alphabet and length", AzureKey: "alphabet and length, or its name", GitHubToken: "prefix, length and checksum", GitLabToken: "prefix, alphabet and length", SlackToken: "prefix, alphabet and length",
	StripeKey: "prefix, alphabet and length", OpenAIKey: "prefix, alphabet and length", AnthropicKey: "prefix, alphabet and length", VendorToken: "prefix, alphabet and length", PrivateKey: "a block that says PRIVATE KEY",
	Password: "the value under a secret's name", HighEntropy: "characters as random ones are spread",
}

// Evidence explains why a finding of Scan is one: the checks that it passed, and the word beside it or the key that identifies it. It is
// for people, and contains nothing of the finding.
func (s *Scanner) Evidence(key, text string, f Span) string {
	if f.Kind >= builtins {
		return "a custom pattern"
	}
	sc := scan{Scanner: s, t: text, key: key}
	if word := sc.witness(f); word != "" {
		return checks[f.Kind] + "; beside \"" + word + "\""
	}
	return checks[f.Kind]
}

// witness returns the word that names the finding, lower-case as the detectors know it; empty if none does.
func (sc *scan) witness(f Span) string {
	var lists []*words
	switch f.Kind {
	case Phone:
		lists = []*words{&phoneWords, &phoneWeakWords}
	case PaymentCard:
		lists = []*words{&cardWords, &payWords}
		for k := range brands {
			lists = append(lists, &brands[k].words)
		}
	case MAC:
		lists = []*words{&macWords}
	case Password, URLSecret, AWSKey, AzureKey:
		name := sc.name(f.Start)
		if nameStyle(name) != notSecret || queryStyle(name) != notSecret {
			return strings.ToLower(name)
		}
		return ""
	default:
		for k := range idRules {
			if r := &idRules[k]; r.kind == f.Kind {
				lists = []*words{&r.words, &r.kin}
				if name := strings.ToLower(lastWord(sc.name(f.Start))); name != "" && r.weak.exact(name) {
					return name
				}
			}
		}
	}
	for _, w := range lists {
		for _, word := range w.list {
			if one := wordsOf(word); sc.near(f.Start, f.End, &one) {
				return word
			}
		}
	}
	if name := strings.ToLower(lastWord(sc.name(f.Start))); f.Kind == Phone && phoneKeys.exact(name) || f.Kind == PaymentCard && panWords.exact(name) {
		return name
	}
	return ""
}
