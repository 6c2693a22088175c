/* The certificates of both ends of the link in fuzz_channel.c; they guard nothing. */
#ifndef TESTS_FUZZ_CHANNEL_PAIR_H
#define TESTS_FUZZ_CHANNEL_PAIR_H

#define FUZZ_CHANNEL_CA                                                                                                                              \
	"-----BEGIN CERTIFICATE-----\n"                                                                                                              \
	"MIIBkTCCATegAwIBAgIUGjUf5B9UPWZQVGlRZxWUTRqSRCgwCgYIKoZIzj0EAwIw\n"                                                                         \
	"FTETMBEGA1UEAwwKY2EuZXhhbXBsZTAgFw0yNjExMzAwMTQ4MDFaGA8yMTI2MTEw\n"                                                                         \
	"NjAxNDgwMVowFTETMBEGA1UEAwwKY2EuZXhhbXBsZTBZMBMGByqGSM49AgEGCCqG\n"                                                                         \
	"SM49AwEHA0IABO9gEyYRwNtIPRco3vL+HhZ+tJcWm4WTHZC7fGXvY08JYEuNHj6W\n"                                                                         \
	"F27m4POm/m0hqAWQi43Sww7Vgl0CFknKtuijYzBhMB0GA1UdDgQWBBQTQ1lDM9KG\n"                                                                         \
	"xCkh2eg5g8+OcKzzojAfBgNVHSMEGDAWgBQTQ1lDM9KGxCkh2eg5g8+OcKzzojAP\n"                                                                         \
	"BgNVHRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwICBDAKBggqhkjOPQQDAgNIADBF\n"                                                                         \
	"AiEAuODjNtJQPWFqmITYSHZKJHPHdUoR/n8NfvUQRjdV3S0CIFQR5/2xgw7UGfv6\n"                                                                         \
	"wVxS8gkzEd5HQ1M+7BRyht0f4gWx\n"                                                                                                             \
	"-----END CERTIFICATE-----\n"

#define FUZZ_CHANNEL_CERTIFICATE                                                                                                                     \
	"-----BEGIN CERTIFICATE-----\n"                                                                                                              \
	"MIIBljCCATygAwIBAgIUZgPOYNdLMNEqhlpQWhrS5yydFcEwCgYIKoZIzj0EAwIw\n"                                                                         \
	"FTETMBEGA1UEAwwKY2EuZXhhbXBsZTAgFw0yNjExMzAwMTQ4MDFaGA8yMTI2MTEw\n"                                                                         \
	"NTAxNDgwMVowFzEVMBMGA1UEAwwMbGluay5leGFtcGxlMFkwEwYHKoZIzj0CAQYI\n"                                                                         \
	"KoZIzj0DAQcDQgAEa79DGVHvcw1LCa/L/0iHOIVhmwhzSVIPbNq/10jFMxnOeNjA\n"                                                                         \
	"Zy1kLl1GM7UHrUOfR+4uaPMGw4VpsUad8S4BhKNmMGQwFwYDVR0RBBAwDoIMbGlu\n"                                                                         \
	"ay5leGFtcGxlMAkGA1UdEwQCMAAwHQYDVR0OBBYEFG08+UQVKoH75RdOtZpsX9hJ\n"                                                                         \
	"KzjKMB8GA1UdIwQYMBaAFBNDWUMz0obEKSHZ6DmDz45wrPOiMAoGCCqGSM49BAMC\n"                                                                         \
	"A0gAMEUCIQCoCN65sySNV12UQLknRl0Z7XDuH39NHjDbP1H1GyGd0AIgaKFuf6DW\n"                                                                         \
	"mdR6ymlYc/o0mF8O0E0cRKOguBq5aNPfFJ0=\n"                                                                                                     \
	"-----END CERTIFICATE-----\n"

#define FUZZ_CHANNEL_KEY                                                                                                                             \
	"-----BEGIN PRIVATE KEY-----\n"                                                                                                              \
	"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgJtaPmXVUzaZfa/dK\n"                                                                         \
	"4Qhip0O9icuOdADjppypaZmzNjehRANCAARrv0MZUe9zDUsJr8v/SIc4hWGbCHNJ\n"                                                                         \
	"Ug9s2r/XSMUzGc542MBnLWQuXUYztQetQ59H7i5o8wbDhWmxRp3xLgGE\n"                                                                                 \
	"-----END PRIVATE KEY-----\n"

#endif
