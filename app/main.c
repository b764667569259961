#include <stdio.h>

int main(void)
{
	puts("dsv4chat " DSV4CHAT_VERSION);
	return 0;
}
