/* A room that calls one above it, for the control of rooms.py. Never linked into anything that runs. */
int planted_high(void);
int planted_low(void);

int planted_low(void)
{
	return planted_high();
}
