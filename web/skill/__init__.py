"""The book bot: a server that KakaoTalk's chatbots ask, in the format of their skills, version 2.0."""
