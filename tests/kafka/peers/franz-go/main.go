// Sends numbered records with franz-go's producer.
//
//	franz-go BOOTSTRAP TOPIC PARTITIONS COUNT [ca=FILE] [mechanism=NAME user=NAME password=WORD]
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func security(words []string) []kgo.Opt {
	given := map[string]string{}
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		given[name] = value
	}
	var options []kgo.Opt
	if file, ok := given["ca"]; ok {
		pem, err := os.ReadFile(file)
		check(err)
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		options = append(options, kgo.DialTLSConfig(&tls.Config{RootCAs: roots}))
	}
	user, password := given["user"], given["password"]
	switch given["mechanism"] {
	case "PLAIN":
		options = append(options, kgo.SASL(plain.Auth{User: user, Pass: password}.AsMechanism()))
	case "SCRAM-SHA-256":
		options = append(options, kgo.SASL(scram.Auth{User: user, Pass: password}.AsSha256Mechanism()))
	case "SCRAM-SHA-512":
		options = append(options, kgo.SASL(scram.Auth{User: user, Pass: password}.AsSha512Mechanism()))
	}
	return options
}

func main() {
	bootstrap, topic := os.Args[1], os.Args[2]
	partitions, err := strconv.Atoi(os.Args[3])
	check(err)
	count, err := strconv.Atoi(os.Args[4])
	check(err)
	options := append(security(os.Args[5:]),
		kgo.SeedBrokers(strings.Split(bootstrap, ",")...),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.RecordDeliveryTimeout(60*time.Second))
	client, err := kgo.NewClient(options...)
	check(err)
	defer client.Close()
	var acknowledged atomic.Int64
	for number := 0; number < count; number++ {
		record := &kgo.Record{Topic: topic, Partition: int32(number % partitions), Value: []byte(strconv.Itoa(number))}
		client.Produce(context.Background(), record, func(_ *kgo.Record, err error) {
			check(err)
			acknowledged.Add(1)
		})
	}
	check(client.Flush(context.Background()))
	fmt.Println(acknowledged.Load(), "acknowledged")
}
