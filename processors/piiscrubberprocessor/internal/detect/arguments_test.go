package detect_test

import (
	"strings"
	"testing"

	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/detect"
	"github.com/stretchr/testify/assert"
)

// The secret of a list of arguments is between « and »; a list without these has none.
func TestArguments(t *testing.T) {
	for _, line := range []string{
		"mysql --password «hunter2» db",
		"curl -s -u «bob:hunter2» https://x",
		"/usr/bin/curl --user «bob:hunter2»",
		`C:\\tools\\curl.exe -u «bob:hunter2»`,
		"sudo mysql -u root -p«hunter2» db",
		"sshpass -p «hunter2» ssh -p 2222 host",
		"docker login -u bob -p «hunter2» registry",
		"redis-cli -h cache -a «hunter2» ping",
		"ssh-keygen -t ed25519 -N «hunter2»",
		"docker run -p 8080:80 nginx",
		"docker run --name mysql -p3306:3306 mysql:8",
		"curl -u bob https://x",
		"curl -u ${USER}:${PASSWORD}",
		"mysql -p db",
		"ssh -p 2222 host",
		"unzip -P a.zip",
		"tar -u x:y -a z -p",
		"-",
	} {
		var args detect.Arguments
		var got []string
		for arg := range strings.FieldsSeq(line) {
			plain := strings.NewReplacer("«", "", "»", "").Replace(arg)
			if from, secret := args.Secret(plain); secret {
				plain = plain[:from] + "«" + plain[from:] + "»"
			}
			got = append(got, plain)
		}
		assert.Equal(t, line, strings.Join(got, " "))
	}
}
