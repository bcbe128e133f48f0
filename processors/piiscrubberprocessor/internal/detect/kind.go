package detect

// Kind names one detector. Kinds from FirstCustom on are the Options.Custom patterns, in order.
type Kind uint16

// The built-in detectors. Their order is their position in Set; their names are those of the configuration.
const (
	Email Kind = iota
	Phone
	PaymentCard
	IBAN
	USSSN
	UKNHS
	UKNINO
	DETaxID
	FRNIR
	ESDNI
	ITFiscalCode
	NLBSN
	BENRN
	CHAHV
	PLPESEL
	SEPersonnummer
	FIHETU
	CASIN
	BRCPF
	INAadhaar
	CNResidentID
	KRRRN
	SGNRIC
	IPv4
	IPv6
	MAC
	JWT
	URLCredentials
	URLSecret
	AWSKey
	GCPKey
	AzureKey
	GitHubToken
	GitLabToken
	SlackToken
	StripeKey
	OpenAIKey
	AnthropicKey
	VendorToken
	PrivateKey
	Password
	HighEntropy
	builtins

	// FirstCustom is the Kind of Options.Custom[0].
	FirstCustom Kind = 64
)

var kindNames = [builtins]string{
	"email", "phone", "payment_card", "iban",
	"us_ssn", "uk_nhs", "uk_nino", "de_tax_id", "fr_nir", "es_dni", "it_fiscal_code", "nl_bsn", "be_nrn", "ch_ahv",
	"pl_pesel", "se_personnummer", "fi_hetu", "ca_sin", "br_cpf", "in_aadhaar", "cn_resident_id", "kr_rrn", "sg_nric",
	"ipv4", "ipv6", "mac",
	"jwt", "url_credentials", "url_secret",
	"aws_key", "gcp_key", "azure_key", "github_token", "gitlab_token", "slack_token", "stripe_key", "openai_key", "anthropic_key",
	"vendor_token", "private_key", "password", "high_entropy",
}

// String returns the name of a built-in detector, "custom" for others.
func (k Kind) String() string {
	if k < builtins {
		return kindNames[k]
	}
	return "custom"
}

// Names lists the built-in detectors in the order of their kinds.
func Names() []string { return append([]string(nil), kindNames[:]...) }

// KindOf finds a built-in detector by name.
func KindOf(name string) (Kind, bool) {
	for k, n := range kindNames {
		if n == name {
			return Kind(k), true
		}
	}
	return 0, false
}

// Set is a set of built-in detectors.
type Set uint64

// Precise contains every detector whose matches are checked by more than their shape: all except HighEntropy.
const Precise = Set(1<<builtins-1) &^ (1 << HighEntropy)

// Tokens contains the detectors whose findings have a form of their own, which no word need name: the findings possible in an attribute's
// key.
const Tokens = Set(1<<Email|1<<JWT|1<<URLCredentials|1<<PrivateKey) | literalKinds

// With returns s and k.
func (s Set) With(k Kind) Set { return s | 1<<k }

// Has reports whether k is in s.
func (s Set) Has(k Kind) bool { return s&(1<<k) != 0 }

// Any reports whether s and o share a detector.
func (s Set) Any(o Set) bool { return s&o != 0 }

// Span is one finding: text[Start:End], in bytes.
type Span struct {
	Start, End int
	Kind       Kind
}
